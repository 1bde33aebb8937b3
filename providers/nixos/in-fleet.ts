import { describeConnection } from "../../contract/connection.ts";
import { Goal } from "../../contract/goal.ts";
import type {
  ClosureInputs,
  ClosureOutputs,
  SystemProfileInputs,
  SystemProfileOutputs,
} from "../../contract/resources.ts";
import { shortPath } from "../../contract/store-path.ts";
import { Failure } from "../errors.ts";
import { look } from "./drift.ts";
import type { Reporter } from "./engine.ts";
import { observed } from "./observation.ts";
import { reasonsOf, runningSentence } from "./reasons.ts";
import type { Resource } from "./resource.ts";
import { fleet, type Work } from "./rollout.ts";
import { inputsOf } from "./system-profile.ts";
import { activate } from "./transaction.ts";

/** The hosts that this run has looked at, by name: gates judge them. */
export const members = new Map<string, SystemProfileInputs | ClosureInputs>();

/** A closure that goes with a fleet: copies have turns. */
export function closureInFleet<O extends ClosureOutputs>(
  closure: Resource<ClosureInputs, O>,
): Resource<ClosureInputs, O> {
  return inFleet(closure, "copy", async (_wanted, _before, operation) => operation());
}

/** A host of a fleet, which can go back after it has taken the release. */
export function systemInFleet(
  system: Resource<SystemProfileInputs, SystemProfileOutputs>,
): Resource<SystemProfileInputs, SystemProfileOutputs> {
  return inFleet(system, "switch", async (wanted, state, operation, report) => {
    const before = state ?? (await adopted(wanted));
    const after = await operation();
    const wayBack = wayBackFrom(wanted, before, after);
    if (wayBack !== undefined && wanted.rollout !== undefined)
      fleet.hasMoved({
        ...{ host: wanted.rollout.host, wave: wanted.rollout.wave },
        goBack: () => goBack(wanted, wayBack, report),
      });
    return after;
  });
}

type Around<I, O> = (
  wanted: I,
  state: O | undefined,
  operation: () => Promise<O>,
  report: Reporter,
) => Promise<O>;

/**
 * The same resource, where it is one of a fleet: it waits for its turn, is left alone when it is held, and one that
 * cannot be reached fails when something is done to it, not when it is looked at.
 */
function inFleet<I extends SystemProfileInputs | ClosureInputs, O extends I>(
  resource: Resource<I, O>,
  work: Work,
  around: Around<I, O>,
): Resource<I, O> {
  return {
    ...resource,

    diff(state, wanted) {
      return wanted.rollout?.held ? { changes: false } : resource.diff(state, wanted);
    },

    async create(wanted, report) {
      const { rollout: part } = wanted;
      if (part === undefined) return resource.create(wanted, report);
      members.set(part.host, wanted);
      if (part.held) throw newAndHeld(part.host);
      let id = "";
      const outputs = await fleet.run(work, part, () =>
        around(
          wanted,
          undefined,
          async () => {
            const made = await resource.create(wanted, report);
            id = made.id;
            return made.outputs;
          },
          report,
        ),
      );
      return { id, outputs };
    },

    async refresh(state, wanted, report) {
      const { rollout: part } = wanted;
      if (part === undefined) return resource.refresh(state, wanted, report);
      members.set(part.host, wanted);
      if (part.held) return state;
      try {
        const seen = await resource.refresh(state, wanted, report);
        fleet.isOut(part.host, false);
        return seen;
      } catch (error) {
        if (!isOutOfReach(error)) throw error;
        fleet.isOut(part.host, true);
        report.warn(error.message);
        return undefined;
      }
    },

    async update(state, wanted, report) {
      const { rollout: part } = wanted;
      const operation = () => resource.update(state, wanted, report);
      if (part === undefined) return operation();
      return fleet.run(work, part, () => around(wanted, state, operation, report));
    },
  };
}

function isOutOfReach(error: unknown): error is Failure {
  return (
    error instanceof Failure &&
    ["unreachable", "auth", "host-key", "timeout", "lost"].includes(error.kind)
  );
}

function newAndHeld(host: string): Failure {
  return new Failure(
    "refused",
    `[only] ${host} is new to this stack, so that there is nothing known of it. Nothing was changed there. ` +
      "Let its first `up` include it, or take it out of [fleet.hosts].",
  );
}

/** What a host that is new to the stack runs before anything is done to it. */
async function adopted(wanted: SystemProfileInputs): Promise<SystemProfileOutputs> {
  return { ...wanted, ...(await look(wanted, observed)) };
}

/** Of a host that ran something else than what was recorded of it. */
const UNKNOWN_RELEASE = { rev: "0".repeat(40), subject: "what it ran before", manifest: undefined };

/** How it is put on the host again what was there, by the contract of then; undefined if nothing moved. */
function wayBackFrom(
  wanted: SystemProfileInputs,
  before: SystemProfileOutputs,
  after: SystemProfileOutputs,
): SystemProfileInputs | undefined {
  const goal = Goal.of(wanted.mode);
  const [was, is] = [before, after].map(({ live }) =>
    goal.activates ? live.currentSystem : live.profile,
  );
  const linked = JSON.stringify(before.live.links) !== JSON.stringify(after.live.links);
  if (!goal.changesHost || was == null || (was === is && !linked)) return undefined;
  const { smoke: _smoke, checkout: _checkout, ...then } = inputsOf(before);
  const known = was === then.toplevel || !goal.activates ? {} : UNKNOWN_RELEASE;
  return {
    ...then,
    ...known,
    connection: wanted.connection,
    toplevel: was,
    mode: wanted.mode,
    ...(then.strategy === "flake" ? { strategy: "closure" as const } : {}),
  };
}

async function goBack(
  wanted: SystemProfileInputs,
  wayBack: SystemProfileInputs,
  report: Reporter,
): Promise<string> {
  const { host } = wanted.rollout ?? wanted;
  const to = shortPath(wayBack.toplevel ?? "");
  report.progress(`the wave failed: going back to ${to}`);
  try {
    const { verdict } = await activate(wayBack, wanted.toplevel ?? null, report);
    const { live } = await look(wayBack);
    if (verdict.outcome === Goal.of(wayBack.mode).success)
      return `${host} went back: ${runningSentence(host, live)}`;
    return `${host} COULD NOT GO BACK: ${reasonsOf(wayBack, verdict, live).join(" ")}`;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return (
      `${host} COULD NOT GO BACK to ${to}: ${why} As far as we know it runs the release; ` +
      `\`pulumi preview\` says what ${describeConnection(wanted.connection)} really runs.`
    );
  }
}
