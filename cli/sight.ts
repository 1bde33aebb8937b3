import { z } from "zod";
import { describeConnection } from "../contract/connection.ts";
import type { HostState } from "../contract/host-state.ts";
import { describeOperator, describeTime } from "../contract/job-record.ts";
import { placeOf } from "../contract/links.ts";
import { shortPath } from "../contract/store-path.ts";
import { contractUnits } from "../contract/units.ts";
import { verdict } from "../contract/verdict.ts";
import { connectionOf } from "../contract/ways-to-host.ts";
import { Failure, type FailureKind } from "../providers/errors.ts";
import { detourOf } from "../providers/executors/index.ts";
import {
  type Difference,
  type Linked,
  nameOf,
  pendingOf,
  releasedDifferences,
} from "../providers/nixos/drift.ts";
import { describeRunning, lastTransaction } from "../providers/nixos/last-transaction.ts";
import { observe, type Question } from "../providers/nixos/observation.ts";
import type { Settings } from "../settings.ts";

export type Health =
  | "healthy"
  | "unhealthy"
  | "drift"
  | "busy"
  | "no release"
  | "unreachable"
  | "unknown";

/** A host at a glance. Times in Unix seconds. */
export interface Sight {
  readonly connection: string;
  readonly machineId: string | null;
  readonly health: Health;
  /** What health is not, and what is worth knowing: sentences. */
  readonly notes: readonly string[];
  readonly release: { readonly rev: string; readonly subject: string } | null;
  /** When it was committed. */
  readonly since: number | null;
  readonly currentSystem: string | null;
  readonly profile: string | null;
  readonly bootedSystem: string | null;
  /** What waits for a reboot, such as kernel. */
  readonly rebootFor: string | null;
  readonly drift: readonly string[];
  /** The drift, with since when it is so. */
  readonly differences: readonly Difference[];
  readonly pending: readonly string[];
  readonly failedUnits: readonly string[];
  readonly last: LastTransaction | null;
  readonly error: { readonly kind: FailureKind; readonly message: string } | null;
}

interface LastTransaction {
  readonly id: string;
  readonly outcome: string;
  readonly by: string | null;
  readonly reason: string | null;
  readonly startedAt: number | null;
  readonly finishedAt: number;
  readonly probes: { readonly passed: number; readonly all: number };
  readonly diagnosticsFile: string | null;
}

/** What the settings say of a host: of a stack that is one, or of one of many. */
export type Watched = Pick<Settings, "host" | "health" | "activation">;

/** One look at a host; one that does not answer is told as such, not thrown. */
export async function lookAt(settings: Watched, ask = observe): Promise<Sight> {
  const connection = connectionOf(settings.host);
  try {
    const state = await ask(connection, questionOf(settings));
    const seen = sightOf(state, settings);
    const detour = detourOf(connection);
    return detour === undefined ? seen : { ...seen, notes: [detour, ...seen.notes] };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return unseen(settings, error);
  }
}

/** What is to be seen of a host that its settings are about. */
export function questionOf({
  health,
  activation,
}: Pick<Watched, "health" | "activation">): Question {
  const links = linkedOf(activation);
  return { units: contractUnits(health), ...(links === undefined ? {} : { links }) };
}

function linkedOf({ links, strategy }: Settings["activation"]): Linked | undefined {
  if (links === undefined) return undefined;
  return {
    ...placeOf(links),
    alone: strategy === "links",
  };
}

const ledger = z.object({
  at: z.number(),
  toplevel: z.string(),
  release: z.object({ rev: z.string(), subject: z.string() }).partial(),
});

export function sightOf(state: HostState, { host, health, activation }: Watched): Sight {
  const committed = ledger.safeParse(state.ledger).data;
  const { rev, subject = "" } = committed?.release ?? {};
  const differences = [
    ...releasedDifferences(state, health, linkedOf(activation)),
    ...machineDrift(state, host.machineId).map((says) => ({ says, since: null })),
  ];
  const drift = differences.map(({ says }) => says);
  const toplevel = committed?.toplevel;
  const pending =
    toplevel === undefined ? [] : pendingOf(state, { mode: modeOf(state), toplevel, probes: [] });
  const last = lastOf(state);
  return {
    connection: describeConnection(host.connection),
    machineId: state.machineId,
    health: healthOf(state, drift, last),
    notes: notesOf(state, { drift, pending, last }),
    release: rev === undefined ? null : { rev, subject },
    since: committed?.at ?? null,
    currentSystem: state.currentSystem,
    profile: state.profile,
    bootedSystem: state.bootedSystem,
    rebootFor: state.rebootFor ?? null,
    ...{ differences, drift, pending, last },
    failedUnits: state.failedUnits,
    error: null,
  };
}

/** Drift of the running system makes sense only against how it was put there. */
function modeOf({ ledger: record }: HostState) {
  return verdict.shape.mode.catch("switch").parse(record?.mode);
}

function machineDrift({ machineId }: HostState, wanted: string | undefined): string[] {
  if (wanted === undefined || wanted === machineId) return [];
  return [`is the machine ${machineId}, not [host.machineId] ${wanted}`];
}

function healthOf(
  state: HostState,
  drift: readonly string[],
  last: LastTransaction | null,
): Health {
  if (state.last?.state === "running") return "busy";
  if (last?.outcome === "rollback-failed" || last?.outcome === "interrupted") return "unhealthy";
  if (drift.length > 0) return "drift";
  if (state.ledger === null) return "no release";
  return "healthy";
}

function notesOf(
  state: HostState,
  seen: {
    readonly drift: readonly string[];
    readonly pending: readonly string[];
    readonly last: LastTransaction | null;
  },
): string[] {
  const { last } = seen;
  const running = state.last?.state === "running" ? [describeRunning(state.last)] : [];
  const never =
    state.ledger === null
      ? [`runs ${nameOf(state.currentSystem)}, which no promotion has put there`]
      : [];
  const reboot = state.rebootFor ? [`a reboot is due for another ${state.rebootFor}`] : [];
  const failed =
    state.failedUnits.length > 0 ? [`failed units: ${state.failedUnits.join(", ")}`] : [];
  const failure =
    last !== null && !["committed", "tested"].includes(last.outcome)
      ? [`the last transaction ${last.outcome}: ${last.reason ?? "no reason given"}`]
      : [];
  return [...running, ...never, ...seen.drift, ...seen.pending, ...reboot, ...failed, ...failure];
}

const probed = verdict.pick({ probes: true, healthAfterRollback: true });

function lastOf(state: HostState): LastTransaction | null {
  const said = lastTransaction(state);
  if (said === null) return null;
  const { id, outcome, by, reason, startedAt, finishedAt, diagnosticsFile } = said;
  const { data } = probed.safeParse(state.last?.result);
  const probes = data?.healthAfterRollback ?? data?.probes ?? [];
  const passed = probes.filter(({ ok }) => ok).length;
  return {
    ...{ id, outcome, by, reason, startedAt, finishedAt, diagnosticsFile },
    probes: { passed, all: probes.length },
  };
}

/** `committed 2026-11-21 06:21:15 UTC by alice@laptop (process 1, stack prod), 10 of 10 probes passed` */
export function describeLastTransaction(last: LastTransaction): string {
  const { passed, all } = last.probes;
  const probes = all === 0 ? "" : `, ${passed} of ${all} probes passed`;
  return `${last.outcome} ${describeTime(last.finishedAt)} by ${last.by ?? describeOperator(null)}${probes}`;
}

export function describeRelease({ release, currentSystem }: Sight): string {
  if (release !== null) return `${release.rev.slice(0, 12)} ${release.subject}`;
  return currentSystem === null ? "nothing" : shortPath(currentSystem);
}

function unseen({ host }: Watched, { kind, message }: Failure): Sight {
  const nothing = { machineId: null, release: null, since: null, currentSystem: null };
  return {
    connection: describeConnection(host.connection),
    health: kind === "refused" || kind === "script" ? "unknown" : "unreachable",
    ...{ notes: [message], ...nothing, profile: null, bootedSystem: null, rebootFor: null },
    ...{ drift: [], differences: [], pending: [], failedUnits: [], last: null },
    error: { kind, message },
  };
}
