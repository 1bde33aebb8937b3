import { setTimeout as sleep } from "node:timers/promises";
import type { FrontInputs, FrontOutputs, FrontState } from "../../contract/front.ts";
import type { SmokeTest } from "../../contract/smoke.ts";
import type { Reporter } from "./engine.ts";
import { requireFitNow } from "./fit-now.ts";
import { describePlace, memberIn, unmoved } from "./flip-plan.ts";
import { interruption } from "./interruption.ts";
import { changeTo, lookAt } from "./proxy.ts";
import { PartialFailure } from "./resource.ts";
import { whyNobodyGets } from "./who-is-served.ts";

/** Where public traffic goes; without a name, if it is none of our hosts. */
export interface Place {
  readonly name: string | undefined;
  readonly target: string | null;
}

export interface Flip {
  readonly wanted: FrontInputs;
  readonly seen: FrontState;
  /** Where it goes for good; while a flip is on trial, that is where it went before. */
  readonly from: Place;
  readonly now: Place;
  readonly to: { readonly name: string; readonly target: string };
}

/** Traffic moves to a host that has just been seen to be healthy, and stays there if it is seen to answer. */
export async function flip(planned: Flip, report: Reporter): Promise<FrontOutputs> {
  const { wanted, seen, from, to } = planned;
  await requireFitNow(to.name, memberIn(wanted.members, to.name), unmoved(planned.now), report);
  report.progress(`traffic moves to ${to.name}`);
  const { host, was } = { host: to.name, was: seen.target };
  const moved = await changeTo(wanted, { step: "move", was, host, to: to.target });
  const failed = await prove(planned, report);
  if (failed !== undefined) throw await takenBack(planned, failed);
  await changeTo(wanted, { step: "keep", was: to.target });
  report.info(`Public traffic goes to ${describePlace(to)}, and did to ${describePlace(from)}.`);
  return { ...wanted, target: to.target, machineId: moved.machineId, trial: false };
}

/** Why the new host is not to keep traffic; undefined if people get it, also when the old one has nothing left to do. */
async function prove(planned: Flip, report: Reporter): Promise<string | undefined> {
  const { wanted, to } = planned;
  report.progress(`does ${to.name} answer through the proxy?`);
  const failed = await ask(planned, to, wanted.verify);
  if (failed !== undefined) return failed;
  const waited = await drain(planned, report);
  return waited ? ask(planned, to, wanted.verify) : undefined;
}

/** Why the tests do not get the answers of that host through the proxy. */
function ask(
  { wanted }: Flip,
  place: { readonly name: string; readonly target: string },
  tests: readonly SmokeTest[],
): Promise<string | undefined> {
  return whyNobodyGets({ ...place, said: memberIn(wanted.members, place.name) }, tests);
}

const LOOK_MILLISECONDS = 1000;

/** Waits for what the old host has begun, as the proxy's connections show it. Answers whether there was anything to wait for. */
async function drain({ wanted, from }: Flip, report: Reporter): Promise<boolean> {
  const { drainSeconds } = wanted;
  if (from.target === null || drainSeconds === 0) return false;
  const until = Date.now() + drainSeconds * 1000;
  let left: number | null | undefined;
  for (let round = 0; !interruption.happened; round += 1) {
    left = (await lookAt(wanted, from.target).catch(() => undefined))?.connections;
    if (left === 0) return round > 0;
    if (Date.now() >= until) break;
    const open = typeof left === "number" ? `${left} open connections` : "what it has begun";
    report.progress(`waiting for ${open} of ${from.name ?? from.target}`);
    await sleep(LOOK_MILLISECONDS);
  }
  if (typeof left === "number" && left > 0)
    report.warn(
      `After ${drainSeconds} s the proxy still had ${left} open connections to ${describePlace(from)}. It was left to finish them.`,
    );
  return true;
}

/** Back to where it went; the error says where that is, or why it is not. */
async function takenBack(planned: Flip, failed: string): Promise<PartialFailure> {
  const { wanted, seen, from, to } = planned;
  const reasons = [`${to.name} did not get public traffic for good: ${failed}`];
  const mend = "Mend it, and run `pulumi up` again.";
  try {
    const { target, machineId } = await changeTo(wanted, { step: "back", was: to.target });
    reasons.push(`It was taken back: traffic goes to ${describePlace(from)}. ${mend}`);
    reasons.push(...(await answerOf(planned)));
    const active = from.name ?? target ?? "nobody";
    return new PartialFailure(
      wanted.file,
      { ...wanted, active, target, machineId, trial: false },
      reasons,
    );
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    reasons.push(
      `THE WAY BACK FAILED TOO: ${why} The proxy was last told to send traffic to ${describePlace(to)}. ` +
        "The next `pulumi preview` says where it goes.",
    );
    const { machineId } = seen;
    return new PartialFailure(
      wanted.file,
      { ...wanted, target: to.target, machineId, trial: true },
      reasons,
    );
  }
}

const BACK_SECONDS = 5;

/** Do people get the old host's answers again? */
async function answerOf(planned: Flip): Promise<string[]> {
  const { name, target } = planned.from;
  if (name === undefined || target === null || interruption.happened) return [];
  const tests = planned.wanted.verify
    .filter(({ kind }) => kind === "http")
    .map((test) => ({ ...test, deadlineSeconds: BACK_SECONDS }));
  const failed = await ask(planned, { name, target }, tests);
  return failed === undefined ? [] : [`The same does not hold for ${name} either: ${failed}`];
}
