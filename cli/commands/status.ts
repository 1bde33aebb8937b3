import { describeConnection } from "../../contract/connection.ts";
import { describeTime } from "../../contract/job-record.ts";
import { countWays } from "../../contract/ways-to-host.ts";
import type { Difference } from "../../providers/nixos/drift.ts";
import { observe } from "../../providers/nixos/observation.ts";
import { turns } from "../../providers/nixos/turns.ts";
import { dirtOf, uncleanOf } from "../clean.ts";
import type { Call } from "../commands.ts";
import { EXIT, type ExitCode, UsageError, worse } from "../exit-code.ts";
import { Facts } from "../facts.ts";
import { isSet, textOf } from "../flags.ts";
import { fitted, table, text } from "../markdown.ts";
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
import { type Cell, table as columns } from "../table.ts";
import { age, plain } from "../text.ts";
import { within } from "../within.ts";

const LOOK_SECONDS = 15;
/** Of a large fleet: the seconds of a host begin with its turn. */
const inTurn = turns(48);

/** A stack and what its host was seen to be; without a sight, its settings are wrong. */
export interface Seen {
  readonly stack: Pick<Stack, "name" | "host" | "mistakes">;
  readonly sight: Sight | undefined;
  /** What is not as it was promoted; undefined if nobody has asked. */
  readonly unclean?: readonly Difference[];
}

export async function status({ flags, output, cwd }: Call): Promise<ExitCode> {
  const project = openProject(cwd);
  const wanted = textOf(flags, "stack");
  const stacks = wanted === undefined ? project.stacks : [stackNamed(project, wanted)];
  if (stacks.length === 0)
    throw new UsageError(
      `No stack of ${project.directory} has our settings. See docs/settings.md.`,
    );
  const markdown = asMarkdown(flags, output);
  const strict = isSet(flags, "expect-clean");
  output.progress(`looking at ${stacks.map(({ host }) => host).join(", ")} …`);
  const facts = strict ? new Facts(project) : undefined;
  const seen = (await Promise.all(stacks.map((stack) => look(stack, facts)))).flat();
  const now = Date.now() / 1000;
  for (const line of statusLines(seen, output, now)) output.line(line);
  if (markdown) process.stdout.write(statusMarkdown(seen, now));
  output.document({ stacks: seen.map(documentOf) });
  return seen.map(codeOf).reduce(worse, EXIT.done);
}

function asMarkdown(flags: Call["flags"], output: Output): boolean {
  if (isSet(flags, "markdown") && output.json)
    throw new UsageError("--json and --markdown exclude each other.");
  return isSet(flags, "markdown");
}

/** With facts, also for what a watch minds. */
async function look(stack: Stack, facts: Facts | undefined): Promise<Seen[]> {
  const { settings, members } = stack;
  if (members !== undefined)
    return Promise.all(
      members.map(async (member) => {
        const sight = await inTurn(() => glance(member));
        const seen = { stack: { ...stack, host: member.host.name }, sight };
        if (facts === undefined || sight.error !== null) return seen;
        return { ...seen, unclean: uncleanOf(sight, { pin: undefined }) };
      }),
    );
  if (settings === undefined) return [{ stack, sight: undefined }];
  const [sight, dirty] = await Promise.all([
    glance(settings),
    facts === undefined ? [] : dirtOf(facts, settings),
  ]);
  if (facts === undefined || sight.error !== null) return [{ stack, sight }];
  return [{ stack, sight, unclean: [...uncleanOf(sight, settings), ...dirty] }];
}

function glance(settings: Watched): Promise<Sight> {
  const host = describeConnection(settings.host.connection);
  const ask: typeof observe = (...question) =>
    within(countWays(settings.host) * LOOK_SECONDS, host, observe(...question));
  return lookAt(settings, ask);
}

function codeOf({ sight, unclean }: Seen): ExitCode {
  if (sight === undefined) return EXIT.usage;
  if (sight.error !== null) return EXIT.unknown;
  if (unclean !== undefined) return unclean.length === 0 ? EXIT.done : EXIT.unclean;
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
  const titled = [
    { title: "STACK" },
    { title: "HOST" },
    { title: "HEALTH" },
    { title: "FOR" },
    { title: "RELEASE", flexible: true as const },
  ];
  const [titles = "", ...rows] = columns(
    titled,
    all.map((seen) => rowOf(seen, now)),
    output,
  );
  const lines = all.flatMap((seen, index) => [rows[index] ?? "", ...detailsOf(seen, output, now)]);
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

function detailsOf(seen: Seen, output: Pick<Output, "wrap" | "paint">, now: number): string[] {
  const { sight } = seen;
  const notes = notesOf(seen, now);
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

/** With a watch, since when it is so. */
function notesOf({ stack, sight, unclean }: Seen, now: number): readonly string[] {
  if (unclean === undefined) return sight?.notes ?? [stack.mistakes ?? ""];
  return unclean.map(({ says, since }) =>
    since === null
      ? says
      : `${says} (for ${age(now - since)}, since ${describeTime(Math.floor(since))})`,
  );
}

/** For the summary of a job. */
function statusMarkdown(all: readonly Seen[], now: number): string {
  const rows = all.map(({ stack, sight }) => [
    text(stack.name),
    text(stack.host),
    sight === undefined ? "wrong settings" : `**${sight.health}**`,
    sight?.since == null ? "" : age(now - sight.since),
    sight === undefined || sight.error !== null ? "" : text(describeRelease(sight)),
  ]);
  const notes = all.flatMap((seen) => {
    const told = notesOf(seen, now);
    if (told.length === 0) return [];
    const list = told.map((note) => `- ${text(note)}`);
    return [[`#### ${text(seen.stack.host)}`, "", ...list].join("\n")];
  });
  return fitted([table(["Stack", "Host", "Health", "For", "Release"], rows), ...notes]);
}

function documentOf({ stack, sight, unclean }: Seen) {
  const { name, host, mistakes } = stack;
  if (sight === undefined) return { stack: name, host, health: "wrong settings", mistakes };
  return { stack: name, host, ...sight, ...(unclean === undefined ? {} : { unclean }) };
}
