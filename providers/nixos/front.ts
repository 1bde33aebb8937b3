import { isDeepStrictEqual } from "node:util";
import { describeConnection } from "../../contract/connection.ts";
import {
  type FrontInputs,
  type FrontOutputs,
  type FrontState,
  frontInputs,
} from "../../contract/front.ts";
import { Failure } from "../errors.ts";
import type { Reporter } from "./engine.ts";
import { type Flip, flip } from "./flip.ts";
import { nameIn, placeText, planText, requireFlip, targetIn } from "./flip-plan.ts";
import { lookAt } from "./proxy.ts";
import type { Resource } from "./resource.ts";
import { requireSameMachine } from "./same-machine.ts";

/**
 * A proxy that sends public traffic to one of some hosts.
 *
 *     create  -> takes over what its file says, and flips if that is somebody else
 *     refresh -> where does it really send traffic? A flip that would be refused is refused here, so in a preview
 *     update  -> the flip: the new active host is healthy, traffic moves, the public tests pass, the old one drains
 *     delete  -> nothing: traffic goes on where it goes
 */
export const front: Resource<FrontInputs, Recorded> = {
  inputs: frontInputs,

  diff(state, wanted) {
    return {
      changes:
        needsFlip(state, wanted) || !isDeepStrictEqual(lasting(state), lasting(wanted as Recorded)),
    };
  },

  async create(wanted, report) {
    const seen = await lookAt(wanted);
    return { id: wanted.file, outputs: await take(wanted, seen, report) };
  },

  async refresh(state, wanted, report) {
    const seen = await lookAt(wanted);
    if (!isDeepStrictEqual(state.connection, wanted.connection))
      requireSameMachine(seen.machineId, state.machineId, {
        ...{ setting: "traffic.proxy", role: "that has the proxy" },
        advice: "Correct the connection, or give the other proxy a stack of its own.",
      });
    const now = seenAs(state, seen);
    if (needsFlip(now, wanted)) {
      const planned = flipOf(wanted, seen);
      requireFlip(planned);
      report.info(planText(planned));
    }
    return now;
  },

  async read(_id, state) {
    if (state === undefined)
      throw new Failure(
        "refused",
        "[id] A front is not imported: `pulumi up` takes over where its file says that traffic goes.",
      );
    const { inputs, seen } = { inputs: inputsOf(state), seen: await lookAt(state) };
    return {
      inputs: { ...inputs, active: seenAs(state, seen).active },
      outputs: seenAs(state, seen),
    };
  },

  async update(state, wanted, report) {
    if (!needsFlip(state, wanted)) return { ...wanted, ...observedIn(state) };
    return take(wanted, await lookAt(wanted), report);
  },

  async delete({ connection, file, target }, report) {
    report.info(
      `Public traffic goes on to ${target ?? "nobody"}: ${file} on ${describeConnection(connection)} was left as it is.`,
    );
  },
};

type Recorded = FrontOutputs;

async function take(
  wanted: FrontInputs,
  seen: FrontState,
  report: Reporter,
): Promise<FrontOutputs> {
  const outputs = { ...wanted, ...observedIn(seenAs(wanted, seen)) };
  if (!needsFlip(outputs, wanted)) return outputs;
  const planned = flipOf(wanted, seen);
  requireFlip(planned);
  return flip(planned, report);
}

/** One whose end nobody has seen is proven, or taken back. */
function needsFlip({ target, trial }: FrontOutputs, wanted: FrontInputs): boolean {
  return trial || target !== targetIn(wanted, wanted.active);
}

function flipOf(wanted: FrontInputs, seen: FrontState): Flip {
  const place = (target: string | null) => ({ name: nameIn(wanted, target), target });
  return {
    ...{ wanted, seen, now: place(seen.target) },
    from: place(seen.trial ? seen.before : seen.target),
    to: { name: wanted.active, target: targetIn(wanted, wanted.active) },
  };
}

/** The state as it is seen now: who is active is what the proxy's file says. */
function seenAs<T extends FrontInputs>(state: T, seen: FrontState): T & FrontOutputs {
  const { target, machineId, trial } = seen;
  const active = nameIn(state, target) ?? placeText(target);
  return { ...state, active, target, machineId, trial };
}

function observedIn({ target, machineId, trial }: FrontOutputs) {
  return { target, machineId, trial };
}

function inputsOf(state: FrontOutputs): FrontInputs {
  const { target: _target, machineId: _machineId, trial: _trial, ...inputs } = state;
  return inputs;
}

/** Without what the hosts' stacks say, which is asked when traffic is to move, and only then. */
function lasting(state: FrontInputs): object {
  const { members, ...inputs } = inputsOf(state as FrontOutputs);
  return {
    ...inputs,
    targets: Object.entries(members).map(([name, { target }]) => [name, target]),
  };
}
