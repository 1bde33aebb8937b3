import { isDeepStrictEqual } from "node:util";
import {
  describePlace,
  type FitnessInputs,
  fitnessInputs,
  isFlip,
} from "../../contract/handover.ts";
import type { Reporter } from "./engine.ts";
import { requireFitNow } from "./fit-now.ts";
import { planLines, probesText } from "./flip-plan.ts";
import type { Resource } from "./resource.ts";

/**
 * Before a cloud moves public traffic to a host: that host is healthy now.
 *
 *     create, update -> has it try its own probes, if traffic is to move, and fails before any does
 *     refresh        -> what was recorded, as it is an event; a preview says what is about to happen
 *     delete         -> nothing
 */
export const fitness: Resource<FitnessInputs, FitnessInputs> = {
  inputs: fitnessInputs,
  diff(state, wanted) {
    return { changes: isFlip(wanted) || !isDeepStrictEqual(placeIn(state), placeIn(wanted)) };
  },
  async create(wanted, report) {
    return { id: "public-traffic", outputs: await judge(wanted, report) };
  },
  async refresh(state, wanted, report) {
    if (isFlip(wanted)) report.info(planText(wanted));
    return state;
  },
  read: async (_id, state) => state && { inputs: state, outputs: state },
  update: (_state, wanted, report) => judge(wanted, report),
  async delete() {},
};

/** What its stack says is asked when traffic is to move, and only then. */
function placeIn({ to: { name, target } }: FitnessInputs): object {
  return { name, target };
}

/** Back to where it has gone all the time is never refused. */
async function judge(wanted: FitnessInputs, report: Reporter): Promise<FitnessInputs> {
  const { from, to } = wanted;
  if (!isFlip(wanted) || to.said === undefined) return wanted;
  const where = from === undefined ? "" : `: it goes to ${describePlace(from)}`;
  await requireFitNow(to.name, to.said, `No traffic was moved${where}.`, report);
  return wanted;
}

function planText({ from, to, move }: FitnessInputs): string {
  const { said } = to;
  const title =
    from === undefined
      ? `Public traffic goes to ${describePlace(to)}`
      : `Public traffic goes from ${describePlace(from)} to ${describePlace(to)}`;
  const before =
    said === undefined
      ? `nobody asks ${to.name} whether it is healthy: [traffic.stacks] does not name it`
      : `${to.name} passes ${probesText(said.examination)}`;
  return `${title}\n${planLines([
    ["release", said?.release?.rev.slice(0, 12) ?? "unknown"],
    ["before", before],
    ["move", move],
  ])}`;
}
