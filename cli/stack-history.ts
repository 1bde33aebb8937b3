import { readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { z } from "zod";
import { fullRevision } from "../contract/manifest.ts";
import { storePath } from "../contract/store-path.ts";
import { EXIT, Stop } from "./exit-code.ts";
import type { Past } from "./ledger.ts";
import type { Project, SettledStack } from "./project.ts";
import { type Pulumi, said } from "./pulumi.ts";

/** Each is the whole state of a stack; further back nobody goes by a command. */
const MOST_CHECKPOINTS = 100;

/**
 * The releases that Pulumi's own history of a stack has, the newest first, each once: for what the ledger of the host does
 * not have any more. The service gives earlier states out; beside state in a directory there are checkpoints.
 */
export async function releasesInHistory(
  pulumi: Pulumi,
  { directory, name }: Project,
  stack: SettledStack,
): Promise<Past[]> {
  const url = await backendOf(pulumi);
  const states = url.startsWith("file://")
    ? checkpointsIn(folderOf(url, directory), name, stack.name)
    : /^https?:/.test(url)
      ? await exportsOf(pulumi, stack.name)
      : refuse(url);
  const past = new Map<string, Past>();
  for (const { at, state } of states) {
    const release = releaseIn(state, at);
    if (release !== undefined) past.set(`${release.toplevel} ${release.rev}`, release);
  }
  return [...past.values()].reverse().map((release, back) => ({ ...release, back }));
}

/** What a stack was after one update. */
interface State {
  /** Unix seconds. */
  readonly at: number;
  readonly state: unknown;
}

async function backendOf(pulumi: Pulumi): Promise<string> {
  const ended = await pulumi.ask(["whoami", "--json"], 30);
  const told =
    ended.code === 0 ? z.object({ url: z.string() }).safeParse(parsed(ended.stdout)) : undefined;
  if (told?.success) return told.data.url;
  throw new Stop(EXIT.failed, `Pulumi does not say where its state is: ${said(ended)}`);
}

/** Of an object store the CLI gives out neither earlier states nor checkpoints. */
function refuse(url: string): never {
  throw new Stop(
    EXIT.failed,
    `Pulumi cannot give out the earlier states that are in ${url}. They can be fetched by hand: see docs/restoring-state.md.`,
  );
}

function folderOf(url: string, project: string): string {
  const path = url.slice("file://".length).replace(/\?.*$/, "");
  return resolve(project, path.replace(/^~(?=\/|$)/, homedir()));
}

/** `history/PROJECT/STACK/STACK-TIME.checkpoint.json`, and beside it what the update was. */
function checkpointsIn(folder: string, project: string, stack: string): State[] {
  const history = join(folder, ".pulumi", "history", project, stack);
  const files = filesOf(history).filter((file) => /\.history\.json(\.gz)?$/.test(file));
  return files.slice(-MOST_CHECKPOINTS).flatMap((file) => {
    const update = updated.safeParse(jsonIn(join(history, file))).data;
    if (update === undefined) return [];
    const checkpoint = join(history, file.replace(".history.", ".checkpoint."));
    return [{ at: update.endTime, state: jsonIn(checkpoint) }];
  });
}

const updated = z.object({
  kind: z.literal("update"),
  result: z.literal("succeeded"),
  endTime: z.number(),
});

function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return []; // nothing was ever updated there
  }
}

function jsonIn(file: string): unknown {
  try {
    const bytes = readFileSync(file);
    return parsed((file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8"));
  } catch {
    return undefined; // a checkpoint that was lost is passed over
  }
}

async function exportsOf(pulumi: Pulumi, stack: string): Promise<State[]> {
  const page = String(MOST_CHECKPOINTS);
  const told = await pulumi.ask([
    "stack",
    "history",
    "--json",
    "--stack",
    stack,
    "--page-size",
    page,
  ]);
  if (told.code !== 0)
    throw new Stop(EXIT.failed, `pulumi stack history --stack ${stack}: ${said(told)}`);
  const updates = z.array(z.unknown()).parse(parsed(told.stdout) ?? []);
  const states: State[] = [];
  for (const update of updates.flatMap((one) => versioned.safeParse(one).data ?? []).reverse()) {
    const version = String(update.version);
    const { code, stdout } = await pulumi.ask([
      "stack",
      "export",
      "--stack",
      stack,
      "--version",
      version,
    ]);
    if (code === 0) states.push({ at: Date.parse(update.endTime) / 1000, state: parsed(stdout) });
  }
  return states;
}

const versioned = z.object({
  ...{ kind: z.literal("update"), result: z.literal("succeeded"), endTime: z.string() },
  version: z.number().int().min(1),
});

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const resources = z.object({ resources: z.array(z.unknown()) });
const anyState = z.union([
  z
    .object({ checkpoint: z.object({ latest: resources }) })
    .transform(({ checkpoint }) => checkpoint.latest),
  z.object({ deployment: resources }).transform(({ deployment }) => deployment),
]);
const systemProfile = z.object({
  type: z.literal("nixos:index:SystemProfile"),
  inputs: z.object({
    ...{ rev: fullRevision, subject: z.string(), toplevel: storePath.optional() },
    links: z.object({ files: z.record(z.string(), z.string()) }).optional(),
    manifest: z.string().optional(),
  }),
  outputs: z.object({
    live: z.object({ currentSystem: z.string().nullable() }),
    transaction: z.object({ id: z.string() }).nullish(),
  }),
});

/** What the host ran after that update, if that was a release. */
export function releaseIn(state: unknown, at: number): Past | undefined {
  const all = anyState.safeParse(state).data?.resources ?? [];
  const found = all.flatMap((resource) => systemProfile.safeParse(resource).data ?? [])[0];
  if (found === undefined) return undefined;
  const { rev, subject, toplevel, links, manifest } = found.inputs;
  const system = toplevel ?? found.outputs.live.currentSystem;
  if (system === null) return undefined;
  return {
    ...{
      back: 0,
      id: found.outputs.transaction?.id ?? `update-${at}`,
      at,
      toplevel: system,
      rev,
      subject,
    },
    ...{ valid: null, manifest: false, links: links?.files ?? {}, recorded: manifest },
  };
}
