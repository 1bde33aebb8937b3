import { description } from "../../contract/description.ts";
import { type GetPlanInputs, getPlanInputs } from "../../contract/resources.ts";
import { call } from "../executors/executor.ts";
import { missingOf } from "./copy.ts";
import { observe } from "./observation.ts";
import { knownPlan, type Plan, unknownPlan } from "./plan/plan.ts";
import { planText } from "./plan/text.ts";
import { unitNames } from "./plan/units.ts";
import type { Invocation } from "./resource.ts";
import { reach } from "./route.ts";
import { contractUnits, driftOf } from "./system-profile.ts";

/** What putting a release on a host will do. Reads store metadata and unit files; changes nothing. */
export const getPlan: Invocation<GetPlanInputs> = {
  inputs: getPlanInputs,
  async call(inputs): Promise<Plan & { text: string }> {
    const plan = await make(inputs);
    return { ...plan, text: planText(plan) };
  },
};

async function make(inputs: GetPlanInputs): Promise<Plan> {
  const { connection, builder, toplevel, probes } = inputs;
  const [state, after] = await Promise.all([
    observe(connection, { units: contractUnits(probes) }),
    call(reach(builder, "release.builder"), "describe", { toplevel, closure: true }, description),
  ]);
  // A host that no release of ours runs on yet cannot have drifted from one.
  const committed = state.ledger?.toplevel;
  const drift =
    typeof committed === "string" ? driftOf(state, { toplevel: committed, probes }) : [];
  const seen = { ...inputs, to: toplevel, state, drift };
  if (!after.valid || state.currentSystem === null) return unknownPlan(seen);
  const [before, missing] = await Promise.all([
    call(
      reach(connection, "host.connection"),
      "describe",
      { toplevel: state.currentSystem, closure: true },
      description,
    ),
    missingOf(connection, after.closure),
  ]);
  const copy = { paths: missing.paths.length, bytes: missing.bytes };
  const { units } = await observe(connection, { units: unitNames(before.units, after.units) });
  return knownPlan({ ...seen, state: { ...state, units } }, before, after, copy);
}
