import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { connectionKey, describeConnection } from "../../contract/connection.ts";
import { placeOf } from "../../contract/links.ts";
import { completeProbe } from "../../contract/probe.ts";
import { type Snapshot, snapshot as schema } from "../../contract/snapshot.ts";
import { diffSnapshots, type SnapshotDiff } from "../../contract/snapshot-diff.ts";
import { exportSnapshot, importSnapshot } from "../../contract/snapshot-env.ts";
import { contractUnits } from "../../contract/units.ts";
import { connectionOf } from "../../contract/ways-to-host.ts";
import type { Argument } from "../../providers/executors/argument.ts";
import { call } from "../../providers/executors/executor.ts";
import { executorFor } from "../../providers/executors/index.ts";
import type { Settings } from "../../settings.ts";
import type { Call } from "../commands.ts";
import { deliveryOf } from "../deliver.ts";
import { EXIT, type ExitCode, UsageError } from "../exit-code.ts";
import { operandsOf, textOf } from "../flags.ts";
import type { Output } from "../output.ts";
import {
  DEFAULT_STACK,
  openProject,
  type Project,
  type SettledStack,
  settled,
  stackNamed,
} from "../project.ts";
import { table } from "../table.ts";
import { plain } from "../text.ts";
import { within } from "../within.ts";

/** Every question that a snapshot asks has a limit of its own; this is for all of them. */
const SNAPSHOT_SECONDS = 180;

export async function snapshot(given: Call): Promise<ExitCode> {
  const [word, a, b] = operandsOf(given.flags);
  if (word === undefined) return take(given);
  if (word === "diff" && a !== undefined && b !== undefined) return compare(given, [a, b]);
  throw new UsageError(
    word === "diff"
      ? "snapshot diff needs two of them: files or stacks. See: promote snapshot --help"
      : `snapshot knows diff, and not ${word}. See: promote snapshot --help`,
  );
}

async function take(given: Call): Promise<ExitCode> {
  const { flags, output, cwd } = given;
  const { format, deliver } = deliveryOf(given);
  const stack = chosen(openProject(cwd), textOf(flags, "stack"), textOf(flags, "host"));
  const seen = await snapshotOf(stack, output);
  const text = format === "env" ? exportSnapshot(seen) : `${JSON.stringify(seen, undefined, 2)}\n`;
  deliver(text, `${stack.settings.host.name} as it is now`);
  return EXIT.done;
}

function chosen(
  project: Project,
  stack: string | undefined,
  host: string | undefined,
): SettledStack {
  if (stack !== undefined && host !== undefined)
    throw new UsageError("Give --stack or --host, not both.");
  if (host === undefined) return settled(stackNamed(project, stack ?? DEFAULT_STACK));
  const found = project.stacks.find((candidate) => candidate.host === host);
  if (found !== undefined) return settled(found);
  const known = project.stacks.map((candidate) => candidate.host).join(", ");
  throw new UsageError(`No stack has the host ${host}. There are: ${known}.`);
}

async function snapshotOf({ settings }: SettledStack, output: Output): Promise<Snapshot> {
  const connection = connectionOf(settings.host);
  const host = describeConnection(connection);
  output.progress(`looking at ${host} …`);
  const probes = settings.health.map((probe) => completeProbe(probe) as Record<string, string>);
  const answer = call(
    executorFor(connection),
    "snapshot",
    { ...questionOf(settings), probes },
    schema,
    {
      timeoutSeconds: SNAPSHOT_SECONDS,
      endsWithUs: true,
    },
  );
  return within(SNAPSHOT_SECONDS, host, answer);
}

export function questionOf({ host, release, activation, health }: Settings): {
  [key: string]: Argument;
} {
  const { links, data } = activation;
  const buildsHere =
    release.from === "build" && connectionKey(release.builder) === connectionKey(host.connection);
  return {
    units: [...contractUnits(health)],
    directories: [...(data?.directories ?? [])],
    ...(links === undefined ? {} : { links: placeOf(links) }),
    ...(buildsHere ? { repo: release.repo } : {}),
  };
}

async function compare({ output, cwd }: Call, names: readonly [string, string]): Promise<ExitCode> {
  const [a, b] = await Promise.all(names.map((name) => find(name, cwd, output)));
  if (a === undefined || b === undefined) return EXIT.usage;
  const diff = diffSnapshots(a, b);
  for (const line of diffLines(diff, names, output)) output.line(line);
  output.document({ a: names[0], b: names[1], ...diff });
  return diff.verdict === "alike" ? EXIT.done : EXIT.unhealthy;
}

/** A file, or else a stack, whose host is looked at now. */
async function find(name: string, cwd: string, output: Output): Promise<Snapshot> {
  const file = resolve(cwd, name);
  if (existsSync(file)) return read(file);
  if (/[/.]/.test(name)) throw new UsageError(`There is no file ${name}.`);
  return snapshotOf(settled(stackNamed(openProject(cwd), name)), output);
}

export function read(file: string): Snapshot {
  try {
    const text = readFileSync(file, "utf8");
    return text.trimStart().startsWith("{") ? schema.parse(JSON.parse(text)) : importSnapshot(text);
  } catch (error) {
    throw new UsageError(`${file} is no snapshot that can be read: ${(error as Error).message}`);
  }
}

function diffLines(
  { sentence, differences }: SnapshotDiff,
  [a, b]: readonly [string, string],
  output: Pick<Output, "width" | "paint" | "wrap">,
): string[] {
  const columns = [{ title: "ABOUT" }, { title: "WHAT", flexible: true as const }];
  const rows = differences.map(({ about, what }) => [{ text: about }, { text: plain(what) }]);
  const [titles = "", ...lines] = table(columns, rows, output);
  const told = differences.flatMap((difference, index) => [
    lines[index] ?? "",
    ...output.wrap(`${a}: ${plain(difference.a)}`, { indent: "    " }),
    ...output.wrap(`${b}: ${plain(difference.b)}`, { indent: "    " }),
  ]);
  return [...(differences.length === 0 ? [] : [titles, ...told, ""]), ...output.wrap(sentence)];
}
