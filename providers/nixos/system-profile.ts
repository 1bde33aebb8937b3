import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { type Connection, describeConnection } from "../../contract/connection.ts";
import { Goal } from "../../contract/goal.ts";
import type { HostState } from "../../contract/host-state.ts";
import { preflight } from "../../contract/preflight.ts";
import { completeProbe, type Probe } from "../../contract/probe.ts";
import {
  type Live,
  type SystemProfileInputs,
  type SystemProfileOutputs,
  systemProfileInputs,
} from "../../contract/resources.ts";
import { contractUnits } from "../../contract/units.ts";
import { type Verdict, verdict } from "../../contract/verdict.ts";
import { Failure } from "../errors.ts";
import { call } from "../executors/executor.ts";
import { connectionOfId } from "./connection-id.ts";
import { look } from "./drift.ts";
import type { Reporter } from "./engine.ts";
import { interruptible, runJob } from "./job.ts";
import { observe, observed } from "./observation.ts";
import { reasonsOf, summaryOf } from "./reasons.ts";
import { PartialFailure, type Resource } from "./resource.ts";
import { reach } from "./route.ts";
import { requireSameMachine } from "./same-machine.ts";

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
      changes: needsTransaction(state, wanted) || !isDeepStrictEqual(inputsOf(state), wanted),
    };
  },

  async create(wanted, report) {
    const before = await look(wanted);
    requireMachine(wanted, before.live);
    const state = { ...wanted, ...before, transaction: null };
    const id = wanted.host;
    const outputs = needsTransaction(state, wanted) ? await transact(state, wanted, report) : state;
    return { id, outputs };
  },

  async refresh(state, { connection }) {
    const { live, drift, pending } = await look({ ...inputsOf(state), connection }, observed);
    if (!isDeepStrictEqual(state.connection, connection))
      requireSameMachine(live.machineId, state.live.machineId, {
        role: `this stack manages as ${state.host}`,
        advice: "Correct the connection, or use a new host name.",
      });
    return { ...state, live, drift, pending };
  },

  async read(id, state) {
    const inputs = state === undefined ? await adopt(id) : inputsOf(state);
    const seen = await look(inputs);
    return { inputs, outputs: { ...inputs, ...seen, transaction: state?.transaction ?? null } };
  },

  async update(state, wanted, report) {
    requireMachine(wanted, state.live);
    if (needsTransaction(state, wanted)) return transact(state, wanted, report);
    return { ...(await look(wanted, observed)), ...wanted, transaction: state.transaction };
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

async function transact(
  state: SystemProfileOutputs,
  wanted: SystemProfileInputs,
  report: Reporter,
): Promise<SystemProfileOutputs> {
  const said = await activate(wanted, report);
  const seen = await look(wanted);
  const goal = Goal.of(wanted.mode);
  // A host that was only asked stays recorded as it was, but for what was seen and the way there.
  const outputs = goal.changesHost
    ? { ...wanted, ...seen, transaction: summaryOf(said) }
    : { ...state, ...seen, connection: wanted.connection };
  if (said.shown !== null)
    report.info(`${wanted.host} would change so, and was not changed:\n${said.shown.trim()}`);
  for (const text of said.notes) report.info(text);
  for (const { name, ok, required, answer } of said.probes) {
    if (!ok && required === false) report.warn(`optional probe ${name}: ${answer}`);
    if (ok && answer.startsWith("skipped: ")) report.info(`probe ${name}: ${answer}`);
  }
  if (said.outcome === goal.success) {
    sayWhatIsLeft(wanted, outputs, report);
    return outputs;
  }
  throw new PartialFailure(wanted.host, outputs, reasonsOf(wanted, said, seen.live));
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

function activate(wanted: SystemProfileInputs, report: Reporter): Promise<Verdict> {
  const executor = reach(wanted.connection, "host.connection");
  const { switch: switchSeconds, confirm, rollback, build = 3600 } = wanted.timeouts;
  const buildSeconds = wanted.checkout === undefined ? 0 : 2 * build;
  const healthSeconds = Math.max(0, ...wanted.probes.map(longest));
  return runJob(executor, {
    command: "activate",
    unit: "nixos-promote-activate",
    argument: {
      strategy: wanted.strategy,
      toplevel: wanted.toplevel,
      links: wanted.links,
      checkout: wanted.checkout && { ...wanted.checkout, rev: wanted.rev },
      release: { rev: wanted.rev, subject: wanted.subject },
      mode: wanted.mode,
      unitFailures: wanted.unitFailures ?? "tolerant",
      machineId: wanted.machineId ?? null,
      confirm: wanted.confirm && Goal.of(wanted.mode).asksForConfirmation,
      timeouts: { ...wanted.timeouts, build },
      preflight: wanted.preflight,
      probes: wanted.probes.map((probe) => completeProbe(probe) as Record<string, string>),
      diagnostics: { units: contractUnits(wanted.probes), lines: 120, bytes: 8000 },
    },
    // Twice the health time, because it is asked again after a rollback.
    timeoutSeconds: Math.ceil(
      buildSeconds + 2 * switchSeconds + confirm + 2 * rollback + 2 * healthSeconds + 60,
    ),
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

function inputsOf(state: SystemProfileOutputs): SystemProfileInputs {
  const { live: _live, drift: _drift, pending: _pending, transaction: _said, ...inputs } = state;
  return inputs;
}
