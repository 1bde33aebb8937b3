import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { type Connection, describeConnection } from "../../contract/connection.ts";
import { Goal } from "../../contract/goal.ts";
import type { HostState } from "../../contract/host-state.ts";
import type { Links } from "../../contract/links.ts";
import { preflight } from "../../contract/preflight.ts";
import {
  type Live,
  type SystemProfileInputs,
  type SystemProfileOutputs,
  systemProfileInputs,
} from "../../contract/resources.ts";
import type { Verdict } from "../../contract/verdict.ts";
import { Failure } from "../errors.ts";
import { call } from "../executors/executor.ts";
import { connectionOfId } from "./connection-id.ts";
import { look, see, seenOf } from "./drift.ts";
import type { Reporter } from "./engine.ts";
import { CUT_OFF } from "./job.ts";
import { describeLast, describeRunning, lastTransaction, summaryOf } from "./last-transaction.ts";
import { observe, observed } from "./observation.ts";
import { differences } from "./plan/differences.ts";
import { reasonsOf, runningSentence } from "./reasons.ts";
import { PartialFailure, type Resource } from "./resource.ts";
import { requireReviewedHost } from "./reviewed.ts";
import { reach } from "./route.ts";
import { requireSameMachine } from "./same-machine.ts";
import { activate, contractOfActivation } from "./transaction.ts";

/**
 * What a host runs.
 *
 *     create  -> adopt the host; one transaction if it does not run the release already
 *     refresh -> observe the host: running system, boot default, units of the contract
 *     diff    -> the wanted release against what was observed, not against what was recorded
 *     update  -> one transaction; a changed connection alone has only to lead to the same machine
 *     delete  -> give up our roots and records: the host goes on running what it runs
 */
export const systemProfile: Resource<SystemProfileInputs, SystemProfileOutputs> = {
  inputs: systemProfileInputs,

  diff(state, wanted) {
    return {
      changes:
        needsTransaction(state, wanted) ||
        !isDeepStrictEqual(lasting(inputsOf(state)), lasting(wanted)),
    };
  },

  async create(wanted, report) {
    const before = await look(wanted);
    requireMachine(wanted, before.live);
    const state = { ...wanted, ...before };
    const id = wanted.host;
    const outputs = needsTransaction(state, wanted) ? await transact(state, wanted, report) : state;
    return { id, outputs };
  },

  async refresh(state, { connection }, report) {
    const recorded = inputsOf(state);
    const host = await see({ ...recorded, connection }, observed);
    if (!isDeepStrictEqual(state.connection, connection))
      requireSameMachine(host.machineId, state.live.machineId, {
        role: `this stack manages as ${state.host}`,
        advice: "Correct the connection, or use a new host name.",
      });
    tellTransactions(state, host, report);
    return recall(asCommitted(recorded, state, host), host, state);
  },

  async read(id, state, report) {
    const recorded = state === undefined ? await adopt(id) : inputsOf(state);
    const host = await see(recorded);
    if (state === undefined) return { inputs: recorded, outputs: recall(recorded, host) };
    const inputs = asCommitted(recorded, state, host);
    tellTransactions(state, host, report);
    return { inputs, outputs: recall(inputs, host, state) };
  },

  async update(state, wanted, report) {
    requireMachine(wanted, state.live);
    if (needsTransaction(state, wanted)) return transact(state, wanted, report);
    return recall(wanted, await see(wanted, observed), state);
  },

  async delete({ connection }) {
    await call(reach(connection, "host.connection"), "forget", {}, z.object({}));
  },
};

function needsTransaction(state: SystemProfileOutputs, wanted: SystemProfileInputs): boolean {
  const goal = Goal.of(wanted.mode);
  return (
    goal.wants(wanted.toplevel, state.live) ||
    linksDiffer(state.live, wanted) ||
    // Also where the wanted system runs already: by another's hand, or after a rollback, its health and
    // the boot default have not been proven.
    state.drift.length > 0 ||
    (goal.activates && !isDeepStrictEqual(state.probes, wanted.probes)) ||
    (wanted.machineId !== undefined && wanted.machineId !== state.live.machineId)
  );
}

function linksDiffer(live: Live, { links }: SystemProfileInputs): boolean {
  return Object.entries(links?.files ?? {}).some(([name, to]) => live.links?.[name] !== to);
}

/** A host as it is seen now, with its last transaction; while one runs, the one before it. */
function recall(
  inputs: SystemProfileInputs,
  host: HostState,
  recorded?: SystemProfileOutputs,
): SystemProfileOutputs {
  const seen = seenOf(host, inputs);
  return { ...inputs, ...seen, transaction: seen.transaction ?? recorded?.transaction ?? null };
}

/** What was recorded, or what the host has committed since by the same contract: then nobody was there to record it. */
function asCommitted(
  recorded: SystemProfileInputs,
  { transaction }: SystemProfileOutputs,
  host: HostState,
): SystemProfileInputs {
  const { last, ledger } = host;
  if (last?.state !== "finished" || last.id === transaction?.id || ledger?.id !== last.id)
    return recorded;
  const committed = committedRelease.safeParse(ledger);
  if (!committed.success) return recorded;
  const { toplevel, release } = committed.data;
  const links = recorded.links && movedLinks(recorded.links, committed.data.after?.links ?? {});
  const moved = {
    ...{ ...recorded, ...release },
    ...(recorded.toplevel === undefined ? {} : { toplevel }),
    ...(links === undefined ? {} : { links }),
  };
  return contractOfActivation(moved) === last.contract ? moved : recorded;
}

const { toplevel, rev, subject } = systemProfileInputs.shape;
const committedRelease = z.object({
  ...{ toplevel, release: z.object({ rev, subject }) },
  after: z.object({ links: z.record(z.string(), z.string().nullable()).nullish() }).nullish(),
});

/** The same links to where they led after another transaction. */
function movedLinks(links: Links, lead: Readonly<Record<string, string | null>>): Links {
  const files = Object.entries(links.files).map(([name, to]) => [name, lead[name] ?? to] as const);
  const components = links.components.map((path) => {
    const [, target] =
      files.find(([name]) => links.files[name]?.startsWith(`${path}/`) === true) ?? [];
    return target?.split("/").slice(0, 4).join("/") ?? path;
  });
  return { ...links, files: Object.fromEntries(files), components };
}

/** A transaction that runs, and once what came of one that this stack has no record of. */
function tellTransactions(
  { transaction: recorded }: SystemProfileOutputs,
  host: HostState,
  report: Reporter,
): void {
  const { last } = host;
  if (last?.state === "running") report.warn(capitalised(describeRunning(last)));
  const transaction = lastTransaction(host);
  if (!last || transaction === null || transaction.id === recorded?.id) return;
  const sentence = describeLast(last, transaction);
  if (transaction.outcome === "committed") report.info(sentence);
  else report.warn(sentence);
}

function capitalised(sentence: string): string {
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}

async function transact(
  state: SystemProfileOutputs,
  wanted: SystemProfileInputs,
  report: Reporter,
): Promise<SystemProfileOutputs> {
  requireReviewedHost(wanted.host, state.live);
  const activated = await activate(wanted, state.live.currentSystem, report).catch((error) =>
    afterCutOff(wanted, error),
  );
  const { verdict: said, by, unconfirmed } = activated;
  const seen = await look(wanted);
  const goal = Goal.of(wanted.mode);
  // A host that was only asked stays recorded as it was, but for what was seen and the way there.
  const outputs = goal.changesHost
    ? { ...wanted, ...seen, transaction: summaryOf(said, by) }
    : { ...state, ...seen, connection: wanted.connection, transaction: state.transaction };
  if (said.shown !== null)
    report.info(`${wanted.host} would change so, and was not changed:\n${said.shown.trim()}`);
  for (const text of said.notes) report.info(text);
  tellDifferences(wanted, said, report);
  for (const { name, ok, required, answer } of said.probes) {
    if (!ok && required === false) report.warn(`optional probe ${name}: ${answer}`);
    if (ok && answer.startsWith("skipped: ")) report.info(`probe ${name}: ${answer}`);
  }
  if (said.outcome === goal.success) {
    sayWhatIsLeft(wanted, outputs, report);
    return outputs;
  }
  const reasons = reasonsOf(wanted, said, seen.live);
  if (unconfirmed !== undefined) reasons.splice(1, 0, `${capitalised(unconfirmed)}.`);
  throw new PartialFailure(wanted.host, outputs, reasons);
}

const MOST_DIFFERENCES = 10;

/** Where the plan was wrong about units: then the preview was, too. */
function tellDifferences({ host }: SystemProfileInputs, { id, units }: Verdict, report: Reporter) {
  const found = units ? differences(units) : [];
  if (found.length === 0) return;
  const more = found.length - MOST_DIFFERENCES;
  const told = found.slice(0, MOST_DIFFERENCES).join("; ");
  report.warn(
    `${host}: the switch did not do to units what was planned: ${told}${more > 0 ? `; and ${more} more` : ""}. ` +
      `The ledger of the host has all of it, in the record of ${id}.`,
  );
}

/** Nobody was left on the host to go back: what it runs now is what there is to record. */
async function afterCutOff(wanted: SystemProfileInputs, error: unknown): Promise<never> {
  if (!(error instanceof Failure) || error.code !== CUT_OFF) throw error;
  const seen = await look(wanted).catch(() => {
    throw error;
  });
  const where = `${runningSentence(wanted.host, seen.live)} \`pulumi up\` puts the host right.`;
  throw new PartialFailure(wanted.host, { ...wanted, ...seen }, [error.message, where]);
}

function sayWhatIsLeft(
  { host, mode }: SystemProfileInputs,
  { pending, drift }: Pick<SystemProfileOutputs, "pending" | "drift">,
  report: Reporter,
): void {
  for (const sentence of pending) report.info(`${host}: ${sentence}.`);
  if (drift.length > 0 && !Goal.of(mode).mindsRunning)
    report.warn(
      `${host}: ${drift.join("; ")}. [activation.mode] ${mode} changes nothing that runs; switch repairs it.`,
    );
}

function requireMachine({ machineId, connection }: SystemProfileInputs, live: Live): void {
  if (machineId !== undefined && machineId !== live.machineId)
    throw new Failure(
      "refused",
      `[host.machineId] ${describeConnection(connection)} is the machine ${live.machineId}, not ${machineId}. ` +
        "Nothing was changed. Correct the setting, or [host.connection].",
    );
}

/** Import: `pulumi import nixos:index:SystemProfile NAME ssh-alias` takes over what the host runs. */
async function adopt(id: string): Promise<SystemProfileInputs> {
  const connection: Connection = connectionOfId(id);
  const state = await observe(connection);
  if (state.currentSystem === null)
    throw new Failure(
      "refused",
      `${describeConnection(connection)} has no /run/current-system: it is not a NixOS host.`,
    );
  return {
    connection,
    host: state.hostname,
    toplevel: state.currentSystem,
    rev: revisionIn(state) ?? "0".repeat(40),
    subject: "imported",
    mode: "switch",
    probes: [],
    unitFailures: "tolerant",
    confirm: true,
    timeouts: { switch: 300, confirm: 60, rollback: 300 },
    preflight: preflight.parse({}),
  };
}

/** The revision of what runs, if it is the last release that was committed there. */
function revisionIn({ ledger, currentSystem }: HostState): string | undefined {
  const release = ledger?.toplevel === currentSystem ? ledger?.release : undefined;
  const rev = typeof release === "object" && release !== null && "rev" in release && release.rev;
  return typeof rev === "string" && /^[0-9a-f]{40}$/.test(rev) ? rev : undefined;
}

/** Without how it goes, and what goes along with a transaction only: a preview does not know that before the release is built. */
function lasting({ manifest: _manifest, rollout: _how, ...inputs }: SystemProfileInputs): object {
  return inputs;
}

export function inputsOf(state: SystemProfileOutputs): SystemProfileInputs {
  const { live: _live, drift: _drift, pending: _pending, transaction: _said, ...inputs } = state;
  return inputs;
}
