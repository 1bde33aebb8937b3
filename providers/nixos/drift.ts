import { z } from "zod";
import { Goal, mode } from "../../contract/goal.ts";
import type { HostState } from "../../contract/host-state.ts";
import { placeOf } from "../../contract/links.ts";
import type { Probe } from "../../contract/probe.ts";
import type { Live, SystemProfileInputs, SystemProfileOutputs } from "../../contract/resources.ts";
import { shortPath } from "../../contract/store-path.ts";
import { contractUnits } from "../../contract/units.ts";
import { lastTransaction } from "./last-transaction.ts";
import { observe } from "./observation.ts";

/** Of a host's inputs, what it can be seen to hold to. */
export type Wanted = Pick<SystemProfileInputs, "mode" | "toplevel" | "links" | "probes">;

/** What a host is seen to be, beside what it should be. */
export type Seen = Pick<SystemProfileOutputs, "live" | "drift" | "pending" | "transaction">;

/** Observes the host and says in sentences where it differs from what it should run. */
export async function look(wanted: Observed, ask = observe): Promise<Seen> {
  return seenOf(await see(wanted, ask), wanted);
}

type Observed = Wanted & Pick<SystemProfileInputs, "connection">;

export function see(wanted: Observed, ask = observe): Promise<HostState> {
  return ask(wanted.connection, questionOf(wanted));
}

export function seenOf(state: HostState, wanted: Wanted): Seen {
  return {
    live: liveOf(state),
    drift: driftOf(state, wanted),
    pending: pendingOf(state, wanted),
    transaction: lastTransaction(state),
  };
}

export function questionOf({ probes, links }: Pick<Wanted, "probes" | "links">) {
  const units = contractUnits(probes);
  if (links === undefined) return { units };
  return { units, links: placeOf(links) };
}

export function liveOf(state: HostState): Live {
  const { hostname, machineId, nixosVersion, currentSystem, profile, bootedSystem, failedUnits } =
    state;
  return {
    ...{ hostname, machineId, nixosVersion, currentSystem, profile, bootedSystem, failedUnits },
    ...(state.bootUnproven ? { bootUnproven: state.bootUnproven } : {}),
    ...(Object.keys(state.links ?? {}).length === 0 ? {} : { links: state.links }),
  };
}

export function driftOf(state: HostState, wanted: Wanted): string[] {
  return differencesOf(state, wanted).map(({ says }) => says);
}

/** Where a host is not as it should be, in a sentence, and since when: Unix seconds, null if it cannot be told. */
export interface Difference {
  readonly says: string;
  readonly since: number | null;
}

export function differencesOf(state: HostState, wanted: Wanted): Difference[] {
  const drift = [
    ...systemDrift(state, wanted),
    ...[...linkDrift(state, wanted), ...trialDrift(state, wanted)].map(undated),
  ];
  // The units of a release are there once it runs.
  if (!awaitsBoot(state, wanted))
    for (const probe of wanted.probes)
      if (probe.kind === "unit" && !isSkipped(probe, state)) drift.push(...unitDrift(probe, state));
  if (state.interrupted && drift.length > 0)
    drift.push({
      says: interruptedSentence(state.interrupted),
      since: state.interrupted.record?.at ?? null,
    });
  return drift;
}

function undated(says: string): Difference {
  return { says, since: null };
}

/** Of a release with links: where they are, and whether they are all that it has. */
export interface Linked {
  readonly directory: string;
  readonly names: readonly string[];
  readonly alone: boolean;
}

/** Where a host differs from the release that was last committed there; no host has drifted from none. */
export function releasedDrift(
  state: HostState,
  probes: Wanted["probes"],
  linked?: Linked,
): string[] {
  return releasedDifferences(state, probes, linked).map(({ says }) => says);
}

export function releasedDifferences(
  state: HostState,
  probes: Wanted["probes"],
  linked?: Linked,
): Difference[] {
  const { toplevel, mode: how, after } = state.ledger ?? {};
  if (typeof toplevel !== "string") return [];
  const links = linked && {
    ...linked,
    files: filesAfter(after, linked),
    components: [],
    restart: [],
  };
  const system = linked?.alone ? {} : { toplevel };
  const goal = mode.catch("switch").parse(how);
  return differencesOf(state, {
    mode: goal,
    ...system,
    probes,
    ...(links === undefined ? {} : { links }),
  });
}

/** Where a transaction has left the links, as far as its record tells. */
function filesAfter(after: unknown, { names }: Linked): Record<string, string> {
  const { links = {} } = recordedLinks.catch({}).parse(after);
  return Object.fromEntries(
    names.flatMap((name) => (links?.[name] == null ? [] : [[name, links[name]]])),
  );
}

const recordedLinks = z.object({ links: z.record(z.string(), z.string().nullable()).nullish() });

/** What is as wanted, but not yet in effect, or not for long. */
export function pendingOf(state: HostState, wanted: Wanted): string[] {
  const { toplevel } = wanted;
  const goal = Goal.of(wanted.mode);
  if (awaitsBoot(state, wanted))
    return [`takes effect at the next boot; until then it runs ${nameOf(state.currentSystem)}`];
  if (!goal.mindsBootDefault && state.currentSystem === toplevel && state.profile !== toplevel)
    return [`runs only until the next boot, which goes back to ${nameOf(state.profile)}`];
  return [];
}

function awaitsBoot({ currentSystem, profile }: HostState, { mode, toplevel }: Wanted): boolean {
  return !Goal.of(mode).mindsRunning && profile === toplevel && currentSystem !== toplevel;
}

function interruptedSentence({ step, record }: NonNullable<HostState["interrupted"]>): string {
  const sentence = `its last transaction was cut off in step ${step}`;
  if (record?.booted == null) return sentence;
  const at = new Date(record.at * 1000).toISOString().replace(/\.\d+/, "");
  return `${sentence}, and it booted ${shortPath(record.booted)} at ${at}`;
}

function systemDrift(state: HostState, { mode, toplevel }: Wanted): Difference[] {
  if (toplevel === undefined) return [];
  const goal = Goal.of(mode);
  const release = `not the release's ${shortPath(toplevel)}`;
  const { currentSystem = null, profile = null } = state.moved ?? {};
  const drift: Difference[] = [];
  if (goal.mindsRunning && state.currentSystem !== toplevel)
    drift.push({ says: `runs ${nameOf(state.currentSystem)}, ${release}`, since: currentSystem });
  if (goal.mindsBootDefault && state.profile !== toplevel)
    drift.push({ says: `would boot ${nameOf(state.profile)}, ${release}`, since: profile });
  if (goal.mindsBootDefault && state.bootUnproven)
    drift.push({
      says: `its boot loader could not be written for ${shortPath(state.bootUnproven)}, so what it would boot is not certain`,
      since: profile,
    });
  return drift;
}

function linkDrift(state: HostState, { links }: Wanted): string[] {
  if (links === undefined) return [];
  return Object.entries(links.files).flatMap(([name, target]) => {
    const leads = state.links?.[name] ?? null;
    const path = `${links.directory}/${name}`;
    if (leads === target) return [];
    return [`${path} ${leads === null ? "does not exist" : `leads to ${leads}`}, not to ${target}`];
  });
}

/** Links outlive a power cut, also those that nothing has proven. */
export function trialDrift(state: HostState, { links }: Pick<Wanted, "links">): string[] {
  if (links === undefined || !state.linksOnTrial || state.activation !== null) return [];
  return [`the links in ${links.directory} are unproven: ${state.linksOnTrial} was cut off`];
}

function isSkipped({ onlyIfActive }: Probe, { units }: HostState): boolean {
  if (onlyIfActive === undefined) return false;
  return (units[onlyIfActive]?.active ?? "inactive") === "inactive";
}

function unitDrift(probe: Probe & { kind: "unit" }, state: HostState): Difference[] {
  const unit = state.units[probe.unit];
  const expected = probe.state ?? "active";
  if (unit === undefined || unit.load === "not-found")
    return expected === "active" ? [undated(`${probe.unit} does not exist`)] : [];
  const { since = null } = unit;
  const drift: Difference[] = [];
  if (unit.active !== expected)
    drift.push({ says: `${probe.unit} is ${unit.active} (${unit.sub}), not ${expected}`, since });
  if (probe.identity !== false && unit.memberOf === false)
    drift.push({
      says: `${probe.unit} runs ${unit.runs.map(shortPath).join(", ")}, which is not of the running system`,
      since,
    });
  for (const dropIn of unit.dropIns.filter((path) => path.startsWith("/run/")))
    drift.push(undated(`${probe.unit} is changed by hand in ${dropIn}`));
  return drift;
}

export function nameOf(path: string | null): string {
  return path === null ? "nothing" : shortPath(path);
}
