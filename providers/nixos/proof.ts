import { isDeepStrictEqual } from "node:util";
import {
  describePlace,
  isFlip,
  type ProofInputs,
  type ProofOutputs,
  proofInputs,
} from "../../contract/handover.ts";
import { deadlineOf } from "../../contract/smoke.ts";
import type { Reporter } from "./engine.ts";
import { planLines } from "./flip-plan.ts";
import { ourStack } from "./operator.ts";
import { pause } from "./pause.ts";
import { PartialFailure, type Resource } from "./resource.ts";
import { whyNobodyGets } from "./who-is-served.ts";

/**
 * After a cloud has moved public traffic to a host: people get it, also when the old one has nothing left to do.
 *
 *     create, update -> asks as people do, waits until all are sent to the new one and the old one has drained, asks again
 *     refresh        -> what was recorded, as it is an event; a preview says what is going to be asked
 *     delete         -> nothing: traffic goes on where it goes
 *
 * The cloud's record is not ours, so it cannot be taken back here: a failure says where traffic goes, and the way back.
 */
export const proof: Resource<ProofInputs, ProofOutputs> = {
  inputs: proofInputs,
  diff(state, wanted) {
    return {
      changes: needsProof(state, wanted) || !isDeepStrictEqual(lasting(state), lasting(wanted)),
    };
  },
  async create(wanted, report) {
    return { id: ID, outputs: await prove(wanted, report) };
  },
  async refresh(state, wanted, report) {
    if (needsProof(state, wanted)) report.info(planText(wanted));
    return state;
  },
  async read(_id, state) {
    if (state === undefined) return undefined;
    const { active: _active, proven: _proven, ...inputs } = state;
    return { inputs, outputs: state };
  },
  async update(state, wanted, report) {
    return needsProof(state, wanted) ? prove(wanted, report) : proven(wanted);
  },
  async delete({ to }, report) {
    report.info(`Public traffic goes on to ${describePlace(to)}.`);
  },
};

const ID = "public-traffic";

/** One whose end was not good is asked for again. */
function needsProof(state: ProofOutputs, wanted: ProofInputs): boolean {
  return !state.proven || isFlip({ from: state.to, to: wanted.to });
}

function lasting({ verify, settleSeconds, drainSeconds }: ProofInputs): object {
  return { verify, settleSeconds, drainSeconds };
}

function proven(wanted: ProofInputs): ProofOutputs {
  return { ...wanted, active: wanted.to.name, proven: true };
}

async function prove(wanted: ProofInputs, report: Reporter): Promise<ProofOutputs> {
  const { from, to } = wanted;
  const failed = await whyNotForGood(wanted, report);
  if (failed !== undefined)
    throw new PartialFailure(ID, { ...proven(wanted), proven: false }, [
      `${to.name} did not get public traffic for good: ${failed}`,
      wayBack(wanted),
    ]);
  const before = from !== undefined && isFlip(wanted) ? `, and did to ${describePlace(from)}` : "";
  report.info(`Public traffic goes to ${describePlace(to)}${before}.`);
  return proven(wanted);
}

/** Not all people are sent to the new one at once. What may be asked only once is asked when they are. */
async function whyNotForGood(wanted: ProofInputs, report: Reporter): Promise<string | undefined> {
  const { to, verify, settleSeconds, drainSeconds } = wanted;
  const settled = Date.now() + settleSeconds * 1000;
  const pages = verify.filter(({ kind }) => kind === "http");
  report.progress(`do people get ${to.name}?`);
  const patient = pages.map((test) => ({
    ...test,
    deadlineSeconds: deadlineOf(test) + settleSeconds,
  }));
  const failed = await whyNobodyGets(to, patient);
  if (failed !== undefined) return failed;
  const rest = drains(wanted) ? (settled - Date.now()) / 1000 + drainSeconds : 0;
  await pause(rest, (left) =>
    report.progress(`${left} s until ${wanted.from?.name} has nothing left to do`),
  );
  report.progress(`do people still get ${to.name}?`);
  return whyNobodyGets(to, verify);
}

/** Is there an old host that people may have been sent to? */
function drains(wanted: ProofInputs): boolean {
  return wanted.from !== undefined && isFlip(wanted);
}

function wayBack(wanted: ProofInputs): string {
  const { from, to } = wanted;
  const now = `Traffic goes to ${describePlace(to)} now`;
  if (from === undefined || !isFlip(wanted)) {
    const before = from === undefined ? "nobody has had it before" : "nobody else has had it";
    return `${now}, and ${before}. Mend it, and run \`pulumi up\` again, which asks again.`;
  }
  return (
    `${now}: a plain \`pulumi up\` cannot take it back. ` +
    `To send it to ${describePlace(from)} again: \`promote traffic --stack ${ourStack()} --to ${from.name}\`, ` +
    `or write \`active: ${from.name}\` and run \`pulumi up\`. When ${to.name} is mended, \`pulumi up\` asks again.`
  );
}

function planText(wanted: ProofInputs): string {
  const { from, verify, settleSeconds, drainSeconds } = wanted;
  const names = verify.map(({ name }) => name).join(", ");
  return planLines([
    ["after", `${names}, asked from here`],
    ...(drains(wanted)
      ? [
          ["drain", `${settleSeconds + drainSeconds} s until ${from?.name} has nothing left to do`],
          [
            "back",
            `\`promote traffic --to\` goes back by itself if it fails; \`pulumi up\` says how`,
          ],
        ]
      : []),
  ]);
}
