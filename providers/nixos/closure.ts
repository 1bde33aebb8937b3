import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { describeConnection } from "../../contract/connection.ts";
import type { HostState } from "../../contract/host-state.ts";
import {
  type ClosureInputs,
  type ClosureOutputs,
  closureInputs,
} from "../../contract/resources.ts";
import { storeHash, storeName } from "../../contract/store-path.ts";
import { Failure } from "../errors.ts";
import { call } from "../executors/executor.ts";
import { closureOf } from "./closure-of.ts";
import { connectionOfId } from "./connection-id.ts";
import { copyMissing, type Known, notArrived } from "./copy.ts";
import type { Reporter } from "./engine.ts";
import { describeRunning } from "./last-transaction.ts";
import { observe, observed } from "./observation.ts";
import type { Resource } from "./resource.ts";
import { reach } from "./route.ts";
import { requireSameMachine } from "./same-machine.ts";

/**
 * A closure that is valid on a host and safe from garbage collection.
 *
 *     create  -> copy what is missing, then root it
 *     refresh -> still valid, still rooted? else it is gone
 *     update  -> the same for the new path; the old root is given up last
 *     delete  -> give up the root; the paths stay until the host collects garbage
 */
export const closure: Resource<ClosureInputs, ClosureState> = {
  inputs: closureInputs,

  diff(state, wanted) {
    return { changes: !isDeepStrictEqual(lasting(inputsOf(state)), lasting(wanted)) };
  },

  async create(wanted, report) {
    return { id: wanted.path, outputs: await bring(wanted, report) };
  },

  async refresh(state, { connection }) {
    const seen = await look({ ...inputsOf(state), connection }, observed);
    if (state.machineId !== undefined && !isDeepStrictEqual(state.connection, connection))
      requireSameMachine(seen.machineId, state.machineId, {
        role: "that has the closure",
        advice: "Correct the connection.",
      });
    return seen.isThere ? { ...state, root: seen.root, machineId: seen.machineId } : undefined;
  },

  async read(id, state) {
    const inputs = state === undefined ? adopt(id) : inputsOf(state);
    const { isThere, root, machineId } = await look(inputs);
    if (isThere) return { inputs, outputs: { ...inputs, root, machineId } };
    if (state !== undefined) return undefined;
    throw new Failure("refused", `[id] ${closureLabel(inputs)} does not exist, or has no gc root.`);
  },

  async update(state, wanted, report) {
    const samePath = state.path === wanted.path;
    if (samePath && isDeepStrictEqual(state.connection, wanted.connection))
      return { ...state, ...wanted };
    // Also over a new way to the host: one that leads nowhere must never be recorded.
    return bring(wanted, report, samePath ? [] : [state.root]);
  },

  async delete(state) {
    await changeRoots(state, { remove: [state.root] });
  },
};

/** With the machine that the connection led to, so that another one never gets the closure. */
interface ClosureState extends ClosureOutputs {
  readonly machineId?: string;
}

/** Is it valid on the host, and safe from garbage collection? */
async function look(
  { connection, path }: ClosureInputs,
  ask = observe,
): Promise<{ isThere: boolean; root: string; machineId: string }> {
  const root = rootOf(path);
  const { paths, roots, machineId } = await ask(connection, { paths: [path] });
  return { isThere: paths[path] === true && roots[root] === path, root, machineId };
}

async function bring(
  wanted: ClosureInputs,
  report: Reporter,
  formerRoots: string[] = [],
): Promise<ClosureState> {
  const seen = await observed(wanted.connection);
  const { machineId, last } = seen;
  if (last?.state === "running" && last.path !== wanted.path)
    throw new Failure(
      "refused",
      `${describeConnection(wanted.connection)} is busy: ${describeRunning(last)} Nothing was changed. ` +
        "Wait until it has ended, and run again.",
      { code: "busy" },
    );
  const root = rootOf(wanted.path);
  const addIt = () => addRoot(wanted, { [root]: wanted.path }, formerRoots);
  const whole = askedAhead(wanted);
  const room = await addIt();
  if (room !== undefined) {
    const known = { whole, target: { ...room, has: certainOn(seen) } };
    await copyAndRoot(wanted, root, known, addIt, report);
  }
  return { ...wanted, root, machineId };
}

/** Side by side with the host: most often it is not there. If it is, nobody waits for the builder, which may be away. */
function askedAhead({ transport, path }: ClosureInputs): Known["whole"] {
  // Straight from the builder, most often nobody needs to know.
  if (transport.via === "built-here" || transport.via === "direct") return undefined;
  const whole = closureOf(path, transport.builder);
  whole.catch(() => {});
  return whole;
}

/** With all that it needs. */
function certainOn({ currentSystem, paths }: HostState): string[] {
  return currentSystem !== null && paths[currentSystem] ? [currentSystem] : [];
}

/** A garbage collection that runs between the two takes the paths away again. The second time a root waits for them. */
async function copyAndRoot(
  wanted: ClosureInputs,
  root: string,
  known: Known,
  addIt: () => Promise<Room | undefined>,
  report: Reporter,
): Promise<void> {
  await copyMissing(wanted, report, known);
  if ((await addIt()) === undefined) return;
  report.progress("a garbage collection has taken it away again; copying once more");
  await changeRoots(wanted, { expect: { [root]: wanted.path } });
  try {
    await copyMissing(wanted, report);
    if ((await addIt()) !== undefined) throw notArrived(wanted);
  } catch (error) {
    await changeRoots(wanted, { remove: [root] });
    throw error;
  }
}

const room = z.object({
  free: z.number().describe("Bytes that the host's store may still grow by"),
});
type Room = z.infer<typeof room>;

/** Only of what is valid, with all that it needs; if it is not, how much room there is for it. The former ones go after it. */
async function addRoot(
  wanted: ClosureInputs,
  add: Record<string, string>,
  remove: string[],
): Promise<Room | undefined> {
  try {
    await changeRoots(wanted, { add, remove });
    return undefined;
  } catch (error) {
    if (error instanceof Failure && error.code === "invalid-path") return room.parse(error.details);
    throw error;
  }
}

function changeRoots(
  { connection }: ClosureInputs,
  change: {
    add?: Record<string, string>;
    /** As `add`, but the path may come later. */
    expect?: Record<string, string>;
    remove?: string[];
  },
): Promise<unknown> {
  return call(
    reach(connection, "host.connection"),
    "root",
    { add: {}, expect: {}, remove: [], ...change },
    z.object({}),
  );
}

/** The path's own hash in the root's name: two stacks that want the same path want the same root. */
function rootOf(path: string): string {
  return `closure-${storeHash(path)}`;
}

/** Import: `pulumi import nixos:index:Closure NAME ssh-alias//nix/store/…`. */
function adopt(id: string): ClosureInputs {
  const at = id.indexOf("/nix/store/");
  if (at < 1)
    throw new Failure(
      "refused",
      `[id] "${id}" is no closure: give HOST and store path as HOST//nix/store/…`,
    );
  return {
    connection: connectionOfId(id.slice(0, at).replace(/\/$/, "")),
    path: id.slice(at),
    transport: { via: "built-here" },
    timeoutSeconds: 3600,
  };
}

function inputsOf({ root: _root, machineId: _machineId, ...inputs }: ClosureState): ClosureInputs {
  return inputs;
}

/** With whom it goes changes nothing. */
function lasting({ rollout: _how, ...inputs }: ClosureInputs): object {
  return inputs;
}

function closureLabel({ path, connection }: ClosureInputs): string {
  return `${storeName(path)} on ${describeConnection(connection)}`;
}
