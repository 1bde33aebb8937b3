import { z } from "zod";
import { Goal } from "../../contract/goal.ts";
import { describeOperator } from "../../contract/job-record.ts";
import { completeProbe, type Probe } from "../../contract/probe.ts";
import { releaseFacts } from "../../contract/release-facts.ts";
import type { SystemProfileInputs } from "../../contract/resources.ts";
import { CONFIRM_SECONDS } from "../../contract/smoke.ts";
import { shortPath } from "../../contract/store-path.ts";
import { contractUnits } from "../../contract/units.ts";
import { type Verdict, verdict } from "../../contract/verdict.ts";
import type { Argument } from "../executors/argument.ts";
import { call, type Executor } from "../executors/executor.ts";
import type { Reporter } from "./engine.ts";
import { interruption } from "./interruption.ts";
import { contractOf, type JobStatus, jobStatus, runJob, SETTLE_SECONDS } from "./job.ts";
import { ourselves } from "./operator.ts";
import { plannedUnits } from "./plan/differences.ts";
import { unitsOfSwitch } from "./plan/units-of-switch.ts";
import { reach } from "./route.ts";
import { smoke } from "./smoke.ts";

const BUILD_SECONDS = 3600;
/** A commit is waited for so long where it was allowed. */
const END_SECONDS = 8;
const DIAGNOSTICS = { lines: 120, bytes: 8000 };

export interface Activated {
  readonly verdict: Verdict;
  /** Who started it: not always we. */
  readonly by: string;
  /** Why the host got no confirmation from us, if it got none. */
  readonly unconfirmed: string | undefined;
}

/** One transaction, run by the host itself; ours is to follow it and to confirm it over a new connection. */
export async function activate(
  wanted: SystemProfileInputs,
  from: string | null,
  report: Reporter,
): Promise<Activated> {
  const executor = reach(wanted.connection, "host.connection");
  const { switch: switchSeconds, confirm, rollback, build = BUILD_SECONDS } = wanted.timeouts;
  const backupSeconds = wanted.data === undefined ? 0 : wanted.data.timeoutSeconds;
  const buildSeconds = wanted.checkout === undefined ? 0 : 2 * build;
  const healthSeconds = Math.max(0, ...wanted.probes.map(longest));
  const back = `it goes back to ${from === null ? "what ran before" : shortPath(from)}`;
  let by = describeOperator(ourselves());
  let unconfirmed: string | undefined;
  let confirmed = false;
  let smoked: { readonly failure: string | undefined } | undefined;
  const units = Goal.of(wanted.mode).activates
    ? await unitsOfSwitch(executor, from, wanted.toplevel)
    : undefined;
  const said = await runJob(executor, {
    command: "activate",
    unit: "nixos-promote-activate",
    argument: {
      ...argumentOf(wanted),
      ...recordsOf(wanted),
      planned: units && { ...plannedUnits(units) },
    },
    contract: contractOfActivation(wanted),
    what: `release ${wanted.rev.slice(0, 12)} ${wanted.subject}`,
    ...(wanted.toplevel === undefined ? {} : { path: wanted.toplevel }),
    // Twice the health time, because it is asked again after a rollback.
    timeoutSeconds: Math.ceil(
      buildSeconds +
        backupSeconds +
        2 * switchSeconds +
        confirm +
        2 * rollback +
        2 * healthSeconds +
        60,
    ),
    result: verdict,
    whenStopped: `${back}, unless it is confirmed already; at most ${Math.ceil(rollback + healthSeconds)} s more`,
    whenAlone: asksForConfirmation(wanted)
      ? `it commits only what we have confirmed; without that ${back} ${confirm} s after its services are healthy`
      : `it commits if its services are healthy, otherwise ${back}`,
    onAttached: (record) => {
      by = describeOperator(record.by);
    },
    say: (sentence) => report.warn(sentence),
    onStatus: async (status, jobId) => {
      if (status.step === "await-confirmation" && !interruption.happened && !confirmed) {
        smoked ??= { failure: await smokeOf(wanted, jobId, report) };
        if (smoked.failure !== undefined) await takeBack(executor, jobId);
        else if (!interruption.happened) {
          const said = await confirmOver(executor, jobId, status.version);
          unconfirmed = said.refused;
          confirmed = said.accepted;
          if (said.news !== undefined) return said.news;
        }
      }
      const trouble = unconfirmed === undefined ? "" : `; ${unconfirmed}; trying again`;
      report.progress(`${status.message ?? ""}${trouble}`);
      return undefined;
    },
  });
  const failure = smoked?.failure;
  if (failure === undefined) return { verdict: said, by, unconfirmed };
  return { verdict: { ...said, reason: failure }, by, unconfirmed };
}

/** What only we can see, while the host waits for us. Answers why it must not stay. */
async function smokeOf(
  wanted: SystemProfileInputs,
  id: string,
  report: Reporter,
): Promise<string | undefined> {
  if (wanted.smoke === undefined) return undefined;
  report.progress(`smoke: ${wanted.smoke.map(({ name }) => name).join(", ")}`);
  return smoke(wanted.smoke, releaseFacts({ ...wanted, transaction: id }));
}

/** So that the host need not wait until its patience ends; without our confirmation it goes back anyway. */
async function takeBack(executor: Executor, id: string): Promise<void> {
  try {
    await call(executor, "cancel", { id }, z.object({ cancelled: z.boolean() }));
  } catch {}
}

/** What two activations have to agree in to be the same. */
export function contractOfActivation(wanted: SystemProfileInputs): string {
  return contractOf(argumentOf(wanted));
}

function asksForConfirmation({ confirm, mode }: SystemProfileInputs): boolean {
  return confirm && Goal.of(mode).asksForConfirmation;
}

function argumentOf(wanted: SystemProfileInputs): { [key: string]: Argument } {
  return {
    strategy: wanted.strategy,
    toplevel: wanted.toplevel,
    links: wanted.links,
    checkout: wanted.checkout && { ...wanted.checkout, rev: wanted.rev },
    release: { rev: wanted.rev, subject: wanted.subject },
    mode: wanted.mode,
    unitFailures: wanted.unitFailures ?? "tolerant",
    machineId: wanted.machineId ?? null,
    confirm: asksForConfirmation(wanted),
    timeouts: { ...wanted.timeouts, build: wanted.timeouts.build ?? BUILD_SECONDS },
    preflight: wanted.preflight,
    keep: wanted.keep,
    data: wanted.data,
    probes: wanted.probes.map((probe) => completeProbe(probe) as Record<string, string>),
    diagnostics: { units: contractUnits(wanted.probes), ...DIAGNOSTICS },
  };
}

const schemaChanges = z.object({ changesSchema: z.array(z.string()).optional() });

/** What the host records of the release, and what it takes from it: no part of what two activations have to agree in. */
function recordsOf({ manifest }: SystemProfileInputs): { [key: string]: Argument } {
  if (manifest === undefined) return {};
  return { manifest, changesSchema: schemaChanges.parse(JSON.parse(manifest)).changesSchema };
}

const confirmation = z.object({
  accepted: z.boolean(),
  decision: z.string().nullable(),
  news: jobStatus.optional(),
});

/** Over a connection of its own, so that it proves that the host can still be reached. Answers why not, and what came of it. */
async function confirmOver(
  executor: Executor,
  id: string,
  seen: number,
): Promise<{ accepted: boolean; refused?: string; news?: JobStatus | undefined }> {
  try {
    const options = { fresh: true, timeoutSeconds: CONFIRM_SECONDS };
    const argument = { id, seen, waitSeconds: END_SECONDS, settleSeconds: SETTLE_SECONDS };
    const said = await call(executor, "confirm", argument, confirmation, options);
    const { accepted, decision, news } = said;
    if (accepted || decision === null) return { accepted, news };
    const refused =
      decision === "expired"
        ? "our confirmation came too late"
        : `our confirmation was refused: the host's decision is '${decision}' already`;
    return { accepted, refused };
  } catch (error) {
    const why = error instanceof Error ? error.message : error;
    return { accepted: false, refused: `could not confirm over a new connection: ${why}` };
  }
}

function longest(probe: Probe): number {
  const whole = completeProbe(probe) as {
    graceSeconds: number;
    deadlineSeconds: number;
    soakSeconds: number;
  };
  return whole.graceSeconds + whole.deadlineSeconds + whole.soakSeconds;
}
