import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { type Connection, describeConnection } from "../../contract/connection.ts";
import type { HostState } from "../../contract/host-state.ts";
import { preflight } from "../../contract/preflight.ts";
import { completeProbe, type Probe } from "../../contract/probe.ts";
import {
  type Live,
  type SystemProfileInputs,
  type SystemProfileOutputs,
  systemProfileInputs,
} from "../../contract/resources.ts";
import { shortPath } from "../../contract/store-path.ts";
import { type ProbeResult, type Verdict, verdict } from "../../contract/verdict.ts";
import { Failure } from "../errors.ts";
import { call } from "../executors/executor.ts";
import { connectionOfId } from "./connection-id.ts";
import type { Reporter } from "./engine.ts";
import { interruptible, runJob } from "./job.ts";
import { observe } from "./observation.ts";
import { PartialFailure, type Resource } from "./resource.ts";
import { reach } from "./route.ts";
import { proveSameMachine } from "./same-machine.ts";

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
    const state = { ...wanted, ...before, transaction: null };
    const id = wanted.host;
    const outputs = needsTransaction(state, wanted) ? await transact(id, wanted, report) : state;
    return { id, outputs };
  },

  async read(id, state) {
    const inputs = state === undefined ? await adopt(id) : inputsOf(state);
    const seen = await look(inputs);
    return { inputs, outputs: { ...inputs, ...seen, transaction: state?.transaction ?? null } };
  },

  async update(state, wanted, report) {
    if (!isDeepStrictEqual(state.connection, wanted.connection))
      await proveSameMachine(wanted.connection, state.live.machineId, {
        role: `this stack manages as ${wanted.host}`,
        advice: "Correct the connection, or use a new host name.",
      });
    requireMachine(wanted, state.live);
    if (needsTransaction(state, wanted)) return transact(state.host, wanted, report);
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

/** Observes the host and says in sentences where it differs from what it should run. */
async function look(
  wanted: SystemProfileInputs,
): Promise<Pick<SystemProfileOutputs, "live" | "drift">> {
  const state = await observe(wanted.connection, { units: contractUnits(wanted.probes) });
  return { live: liveOf(state), drift: driftOf(state, wanted) };
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
  wanted: SystemProfileInputs,
  report: Reporter,
): Promise<SystemProfileOutputs> {
  const said = await activate(wanted, report);
  const seen = await look(wanted);
  const outputs = { ...wanted, ...seen, transaction: summaryOf(said) };
  for (const text of said.notes) report.info(text);
  for (const probe of said.probes) {
    if (!probe.ok && probe.required === false)
      report.warn(`optional probe ${probe.name}: ${probe.answer}`);
  }
  if (said.outcome === "committed") return outputs;
  throw new PartialFailure(id, outputs, reasonsOf(wanted, said, seen.live));
}

function activate(wanted: SystemProfileInputs, report: Reporter): Promise<Verdict> {
  const executor = reach(wanted.connection, "host.connection");
  const { switch: switchSeconds, confirm, rollback } = wanted.timeouts;
  const healthSeconds = Math.max(0, ...wanted.probes.map(longest));
  return runJob(executor, {
    command: "activate",
    unit: "nixos-promote-activate",
    argument: {
      toplevel: wanted.toplevel,
      release: { rev: wanted.rev, subject: wanted.subject },
      mode: wanted.mode,
      machineId: wanted.machineId ?? null,
      confirm: wanted.confirm,
      timeouts: wanted.timeouts,
      preflight: wanted.preflight,
      probes: wanted.probes.map((probe) => completeProbe(probe) as Record<string, string>),
      diagnostics: { units: contractUnits(wanted.probes), lines: 120, bytes: 8000 },
    },
    // Twice the health time, because it is asked again after a rollback.
    timeoutSeconds: Math.ceil(2 * switchSeconds + confirm + 2 * rollback + 2 * healthSeconds + 60),
    result: verdict,
    onStatus: async (status, jobId) => {
      report.progress(status.message ?? "");
      // Over a connection of its own, so that it proves that the host can still be reached.
      if (status.step === "await-confirmation" && !interruptible.interrupted)
        await call(executor, "confirm", { id: jobId }, z.unknown(), { fresh: true }).catch(
          (error) => {
            report.progress(`could not confirm: ${error.message}`);
          },
        );
    },
  });
}

function longest(probe: Probe): number {
  const whole = completeProbe(probe) as {
    graceSeconds: number;
    deadlineSeconds: number;
    soakSeconds: number;
  };
  return whole.graceSeconds + whole.deadlineSeconds + whole.soakSeconds;
}

function summaryOf(said: Verdict): SystemProfileOutputs["transaction"] {
  return {
    id: said.id,
    outcome: said.outcome,
    reason: said.reason,
    previousSystem: said.before.currentSystem,
    finishedAt: said.finishedAt,
    probes: Object.fromEntries(said.probes.map((probe) => [probe.name, probe.answer])),
  };
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
    case "tested":
    case "shown":
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
