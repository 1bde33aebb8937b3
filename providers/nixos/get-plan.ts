import type { HostState } from "../../contract/host-state.ts";
import type { PlannedHost } from "../../contract/plan.ts";
import { type GetPlanInputs, getPlanInputs } from "../../contract/resources.ts";
import { sized, wayOf } from "./copy.ts";
import { pendingOf, questionOf, releasedDrift, trialDrift } from "./drift.ts";
import { observed } from "./observation.ts";
import { conditionsOf } from "./plan/conditions.ts";
import { knownPlan, type LinkChange, type Plan, revOf, unknownPlan } from "./plan/plan.ts";
import { planText } from "./plan/text.ts";
import type { Invocation } from "./resource.ts";
import { SystemFacts } from "./system-facts.ts";
import { turns } from "./turns.ts";

/** Two closures are in memory for each plan that is being made, and a program asks for those of all hosts at once. */
const SIDE_BY_SIDE = 32;
const inTurn = turns(SIDE_BY_SIDE);

/** What putting a release on a host will do. Reads store metadata and unit files; changes nothing. */
export const getPlan: Invocation<GetPlanInputs> = {
  inputs: getPlanInputs,
  async call(inputs): Promise<Plan & { text: string; machine: PlannedHost }> {
    const { plan, machine } = await planInTurn(inputs);
    return { ...plan, text: planText(plan), machine };
  },
};

export interface Planned {
  readonly plan: Plan;
  readonly machine: PlannedHost;
}

export function planInTurn(inputs: GetPlanInputs, facts = new SystemFacts()): Promise<Planned> {
  return inTurn(async () => {
    const state = await observed(inputs.connection, questionOf(inputs));
    return { plan: await planFor(inputs, state, facts), machine: machineOf(inputs.host, state) };
  });
}

function machineOf(name: string, state: HostState): PlannedHost {
  const { machineId, system, nixVersion, nixosVersion } = state;
  const { currentSystem, bootedSystem, profile, generation = null, links = {} } = state;
  return {
    ...{ name, machineId, system, nixVersion, nixosVersion },
    ...{ currentSystem, bootedSystem, profile, generation, links },
    ...{ rev: revOf(state), failedUnits: [...state.failedUnits].sort() },
  };
}

async function planFor(inputs: GetPlanInputs, state: HostState, facts: SystemFacts): Promise<Plan> {
  const { connection, builder, probes, links } = inputs;
  const toplevel = inputs.toplevel ?? state.currentSystem;
  const drift = [...releasedDrift(state, probes), ...trialDrift(state, inputs)];
  const pending = pendingOf(state, inputs);
  const relinked = linkChanges(state, links);
  const seen = { ...inputs, to: toplevel, state, drift, pending, relinked };
  if (state.currentSystem === null || toplevel === null || state.currentSystem === toplevel)
    return unknownPlan(seen);
  const after = await facts.wanted(builder, toplevel);
  if (!after.valid) return unknownPlan(seen);
  const paths = after.closure.map(([path]) => path);
  const asked = { paths: paths.join("\n"), conditions: conditionsOf(after.units).join("\n") };
  const before = await facts.running(connection, state.currentSystem, asked);
  const missing = sized(after.closure, before.missing ?? paths);
  const way = await wayOf(inputs.transport, connection, missing);
  const bytes = missing.reduce((sum, [, size]) => sum + size, 0);
  const free = before.free === undefined ? {} : { free: before.free };
  return knownPlan(seen, before, after, { paths: missing.length, bytes, ...free, ...way });
}

function linkChanges({ links: seen }: HostState, wanted: GetPlanInputs["links"]): LinkChange[] {
  const files = Object.entries(wanted?.files ?? {});
  return files
    .map(([name, to]) => ({ name, from: seen?.[name] ?? null, to }))
    .filter(({ from, to }) => from !== to);
}
