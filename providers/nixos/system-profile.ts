import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { type Connection, describeConnection } from "../../contract/connection.ts";
import type { HostState } from "../../contract/host-state.ts";
import { preflight } from "../../contract/preflight.ts";
import type { Probe } from "../../contract/probe.ts";
import {
  type Live,
  type SystemProfileInputs,
  type SystemProfileOutputs,
  systemProfileInputs,
} from "../../contract/resources.ts";
import { shortPath } from "../../contract/store-path.ts";
import type { ProbeResult, Verdict } from "../../contract/verdict.ts";
import { Failure } from "../errors.ts";
import { call } from "../executors/executor.ts";
import { connectionOfId } from "./connection-id.ts";
import type { Reporter } from "./engine.ts";
import { describeLast, describeRunning, lastTransaction, summaryOf } from "./last-transaction.ts";
import { observe } from "./observation.ts";
import { PartialFailure, type Resource } from "./resource.ts";
import { reach } from "./route.ts";
import { proveSameMachine } from "./same-machine.ts";
import { activate, contractOfActivation } from "./transaction.ts";

/**
 * What a host runs.
 *
 *     create -> adopt the host; one transaction if it does not run the release already
 *     read   -> observe the host: running system, boot default, units of the contract
 *     diff   -> the wanted release against what was observed, not against what was recorded
 *     update -> one transaction; a changed connection alone only proves that it is the same machine
 *     delete -> give up our roots and records: the host goes on running what it runs
 */
export const systemProfile: Resource<SystemProfileInputs, SystemProfileOutputs> = {
  inputs: systemProfileInputs,

  diff(state, wanted) {
    return {
      changes: needsTransaction(state, wanted) || !isDeepStrictEqual(inputsOf(state), wanted),
    };
  },

  async create(wanted, report) {
    const before = await look(wanted);
    requireMachine(wanted, before.live);
    const state = { ...wanted, ...before };
    const id = wanted.host;
    const outputs = needsTransaction(state, wanted)
      ? await transact(id, state, wanted, report)
      : state;
    return { id, outputs };
  },

  async read(id, state, report) {
    const recorded = state === undefined ? await adopt(id) : inputsOf(state);
    const host = await see(recorded);
    const inputs = state === undefined ? recorded : asCommitted(recorded, state, host);
    if (state !== undefined) tellTransactions(state, host, report);
    const outputs = { ...inputs, ...seenOf(host, inputs) };
    return {
      inputs,
      outputs: { ...outputs, transaction: outputs.transaction ?? state?.transaction ?? null },
    };
  },

  async update(state, wanted, report) {
    if (!isDeepStrictEqual(state.connection, wanted.connection))
      await proveSameMachine(wanted.connection, state.live.machineId, {
        role: `this stack manages as ${wanted.host}`,
        advice: "Correct the connection, or use a new host name.",
      });
    requireMachine(wanted, state.live);
    if (needsTransaction(state, wanted)) return transact(state.host, state, wanted, report);
    return { ...state, ...wanted };
  },

  async delete({ connection }) {
    await call(reach(connection, "host.connection"), "forget", {}, z.object({}));
  },
};

function needsTransaction(state: SystemProfileOutputs, wanted: SystemProfileInputs): boolean {
  return (
    state.live.currentSystem !== wanted.toplevel ||
    state.live.profile !== wanted.toplevel ||
    // Also where the wanted system runs already: by another's hand, or after a rollback, its health and
    // the boot default have not been proven.
    state.drift.length > 0 ||
    !isDeepStrictEqual(state.probes, wanted.probes) ||
    (wanted.machineId !== undefined && wanted.machineId !== state.live.machineId)
  );
}

type Seen = Pick<SystemProfileOutputs, "live" | "drift" | "transaction">;

/** Observes the host and says in sentences where it differs from what it should run. */
async function look(wanted: SystemProfileInputs): Promise<Seen> {
  return seenOf(await see(wanted), wanted);
}

function see({ connection, probes }: SystemProfileInputs): Promise<HostState> {
  return observe(connection, { units: contractUnits(probes) });
}

function seenOf(state: HostState, wanted: SystemProfileInputs): Seen {
  return {
    live: liveOf(state),
    drift: driftOf(state, wanted),
    transaction: lastTransaction(state),
  };
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
  const moved = { ...recorded, toplevel, ...release };
  return contractOfActivation(moved) === last.contract ? moved : recorded;
}

const { toplevel, rev, subject } = systemProfileInputs.shape;
const committedRelease = z.object({ toplevel, release: z.object({ rev, subject }) });

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

export function liveOf(state: HostState): Live {
  const { hostname, machineId, nixosVersion, currentSystem, profile, bootedSystem, failedUnits } =
    state;
  return { hostname, machineId, nixosVersion, currentSystem, profile, bootedSystem, failedUnits };
}

export function driftOf(
  state: HostState,
  wanted: Pick<SystemProfileInputs, "toplevel" | "probes">,
): string[] {
  const drift: string[] = [];
  if (state.currentSystem !== wanted.toplevel)
    drift.push(
      `runs ${nameOf(state.currentSystem)}, not the release's ${shortPath(wanted.toplevel)}`,
    );
  if (state.profile !== wanted.toplevel)
    drift.push(
      `would boot ${nameOf(state.profile)}, not the release's ${shortPath(wanted.toplevel)}`,
    );
  for (const probe of wanted.probes) {
    if (probe.kind === "unit") drift.push(...unitDrift(probe, state));
  }
  if (state.interrupted && drift.length > 0) drift.push(interruptedSentence(state.interrupted));
  return drift;
}

function interruptedSentence({ step, record }: NonNullable<HostState["interrupted"]>): string {
  const sentence = `its last transaction was cut off in step ${step}`;
  if (record?.booted == null) return sentence;
  const at = new Date(record.at * 1000).toISOString().replace(/\.\d+/, "");
  return `${sentence}, and it booted ${shortPath(record.booted)} at ${at}`;
}

function unitDrift(probe: Probe & { kind: "unit" }, state: HostState): string[] {
  const unit = state.units[probe.unit];
  const expected = probe.state ?? "active";
  if (unit === undefined || unit.load === "not-found")
    return expected === "active" ? [`${probe.unit} does not exist`] : [];
  const drift: string[] = [];
  if (unit.active !== expected)
    drift.push(`${probe.unit} is ${unit.active} (${unit.sub}), not ${expected}`);
  if (probe.identity !== false && unit.memberOf === false)
    drift.push(
      `${probe.unit} runs ${unit.runs.map(shortPath).join(", ")}, which is not of the running system`,
    );
  for (const dropIn of unit.dropIns.filter((path) => path.startsWith("/run/")))
    drift.push(`${probe.unit} is changed by hand in ${dropIn}`);
  return drift;
}

function nameOf(path: string | null): string {
  return path === null ? "nothing" : shortPath(path);
}

export function contractUnits(probes: readonly Probe[]): string[] {
  return probes.flatMap((probe) => (probe.kind === "unit" ? [probe.unit] : []));
}

async function transact(
  id: string,
  before: SystemProfileOutputs,
  wanted: SystemProfileInputs,
  report: Reporter,
): Promise<SystemProfileOutputs> {
  const {
    verdict: said,
    by,
    unconfirmed,
  } = await activate(wanted, before.live.currentSystem, report);
  const seen = await look(wanted);
  const outputs = { ...wanted, ...seen, transaction: summaryOf(said, by) };
  for (const text of said.notes) report.info(text);
  for (const probe of said.probes) {
    if (!probe.ok && probe.required === false)
      report.warn(`optional probe ${probe.name}: ${probe.answer}`);
  }
  if (said.outcome === "committed") return outputs;
  const reasons = reasonsOf(wanted, said, seen.live);
  if (unconfirmed !== undefined) reasons.splice(1, 0, `${capitalised(unconfirmed)}.`);
  throw new PartialFailure(id, outputs, reasons);
}

/** What happened, where the host is now, what to do: in this order. */
export function reasonsOf(wanted: SystemProfileInputs, said: Verdict, now: Live): string[] {
  const reasons = [
    `${wanted.host} did not take release ${wanted.rev.slice(0, 12)}: ${said.reason ?? "no reason given"}`,
    stateSentence(wanted.host, said, now),
  ];
  if (said.advice !== null) reasons.push(said.advice);
  const sick = (said.healthAfterRollback ?? []).filter((probe: ProbeResult) => !probe.ok);
  if (said.outcome === "rolled-back" && sick.length > 0)
    reasons.push(
      `After the rollback not healthy: ${sick.map((p) => `${p.name} (${p.answer})`).join("; ")}.`,
    );
  if (said.diagnostics !== null) reasons.push(`Diagnostics:\n${said.diagnostics.trim()}`);
  if (said.diagnosticsFile !== null)
    reasons.push(`All of it: ${said.diagnosticsFile} on ${describeConnection(wanted.connection)}.`);
  return reasons;
}

function stateSentence(host: string, said: Verdict, now: Live): string {
  const running = `${host} runs ${nameOf(now.currentSystem)} and would boot ${nameOf(now.profile)}.`;
  switch (said.outcome) {
    case "committed":
      return running;
    case "rolled-back":
      return `It rolled back by itself: ${running} Mend the release and run \`pulumi up\` again.`;
    case "refused":
      return `Nothing was changed: ${running}`;
    case "rollback-failed":
      return (
        `THE ROLLBACK FAILED TOO: ${running} ` +
        (now.profile === said.before.profile
          ? "The boot default is the previous system, so a reboot brings it back; look at the diagnostics first."
          : "The boot default is not the previous system either, so do not reboot; look at the diagnostics first.")
      );
  }
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

function inputsOf(state: SystemProfileOutputs): SystemProfileInputs {
  const { live: _live, drift: _drift, transaction: _transaction, ...inputs } = state;
  return inputs;
}
