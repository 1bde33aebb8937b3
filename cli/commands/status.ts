import { describeConnection } from "../../contract/connection.ts";
import { observe } from "../../providers/nixos/observation.ts";
import type { Call } from "../commands.ts";
import { EXIT, type ExitCode, UsageError, worse } from "../exit-code.ts";
import { textOf } from "../flags.ts";
import type { Output, Style } from "../output.ts";
import { openProject, type Stack, stackNamed } from "../project.ts";
import {
  describeLastTransaction,
  describeRelease,
  type Health,
  lookAt,
  type Sight,
  type Watched,
} from "../sight.ts";
import { type Cell, table } from "../table.ts";
import { age, plain } from "../text.ts";
import { within } from "../within.ts";

const LOOK_SECONDS = 15;

/** A stack and what its host was seen to be; without a sight, its settings are wrong. */
export interface Seen {
  readonly stack: Pick<Stack, "name" | "host" | "mistakes">;
  readonly sight: Sight | undefined;
}

export async function status({ flags, output, cwd }: Call): Promise<ExitCode> {
  const project = openProject(cwd);
  const wanted = textOf(flags, "stack");
  const stacks = wanted === undefined ? project.stacks : [stackNamed(project, wanted)];
  if (stacks.length === 0)
    throw new UsageError(
      `No stack of ${project.directory} has our settings. See docs/settings.md.`,
    );
  output.progress(`looking at ${stacks.map(({ host }) => host).join(", ")} …`);
  const seen = (await Promise.all(stacks.map(look))).flat();
  for (const line of statusLines(seen, output, Date.now() / 1000)) output.line(line);
  output.document({ stacks: seen.map(documentOf) });
  return seen.map(codeOf).reduce(worse, EXIT.done);
}

async function look(stack: Stack): Promise<Seen[]> {
  const { settings, members } = stack;
  if (members !== undefined)
    return Promise.all(
      members.map(async (member) => ({
        stack: { ...stack, host: member.host.name },
        sight: await glance(member),
      })),
    );
  if (settings === undefined) return [{ stack, sight: undefined }];
  return [{ stack, sight: await glance(settings) }];
}

function glance(settings: Watched): Promise<Sight> {
  const host = describeConnection(settings.host.connection);
  const ways = settings.host.fallback === undefined ? 1 : 2;
  const ask: typeof observe = (...question) =>
    within(ways * LOOK_SECONDS, host, observe(...question));
  return lookAt(settings, ask);
}

function codeOf({ sight }: Seen): ExitCode {
  if (sight === undefined) return EXIT.usage;
  if (sight.error !== null) return EXIT.unknown;
  return sight.health === "healthy" ? EXIT.done : EXIT.unhealthy;
}

const STYLES: Record<Health, Style> = {
  healthy: "green",
  busy: "cyan",
  drift: "yellow",
  "no release": "yellow",
  unhealthy: "red",
  unreachable: "red",
  unknown: "red",
};

/** A row for each stack, then what there is to say about each. */
export function statusLines(
  all: readonly Seen[],
  output: Pick<Output, "width" | "paint" | "wrap">,
  now: number,
): string[] {
  const columns = [
    { title: "STACK" },
    { title: "HOST" },
    { title: "HEALTH" },
    { title: "FOR" },
    { title: "RELEASE", flexible: true as const },
  ];
  const [titles = "", ...rows] = table(
    columns,
    all.map((seen) => rowOf(seen, now)),
    output,
  );
  const lines = all.flatMap((seen, index) => [rows[index] ?? "", ...detailsOf(seen, output)]);
  const legend =
    "health: the probes of the last transaction, and the units of the contract as they are now; no probe was run";
  return [
    titles,
    ...lines,
    "",
    ...output.wrap(legend, {}).map((line) => output.paint(line, "dim")),
  ];
}

function rowOf({ stack, sight }: Seen, now: number): Cell[] {
  const health: Cell =
    sight === undefined
      ? { text: "wrong settings", style: "red" }
      : { text: sight.health, style: STYLES[sight.health] };
  const since = sight?.since ?? null;
  return [
    { text: stack.name, style: "bold" },
    { text: plain(stack.host) },
    health,
    { text: since === null ? "" : age(now - since) },
    { text: sight === undefined || sight.error !== null ? "" : plain(describeRelease(sight)) },
  ];
}

function detailsOf({ stack, sight }: Seen, output: Pick<Output, "wrap" | "paint">): string[] {
  const notes = sight?.notes ?? [stack.mistakes ?? ""];
  const margins = { indent: "  ! ", hanging: "    " };
  const told = notes.flatMap((note) =>
    output
      .wrap(note.split("\n").map(plain).join("\n"), margins)
      .map((line) => output.paint(line, "yellow")),
  );
  if (sight?.last == null) return told;
  const last = output.wrap(`last: ${plain(describeLastTransaction(sight.last))}`, {
    indent: "    ",
    hanging: "      ",
  });
  return [...told, ...last.map((line) => output.paint(line, "dim"))];
}

function documentOf({ stack, sight }: Seen) {
  const { name, host, mistakes } = stack;
  if (sight === undefined) return { stack: name, host, health: "wrong settings", mistakes };
  return { stack: name, host, ...sight };
}
