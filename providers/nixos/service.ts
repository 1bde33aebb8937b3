import "../../contract/interpreted.ts";
import { isDeepStrictEqual } from "node:util";
import type { Provider } from "@pulumi/pulumi/provider/provider.js";
import { z } from "zod";
import type { Connection } from "../../contract/connection.ts";
import { abandonReading, closeExecutors } from "../executors/index.ts";
import { build } from "./build.ts";
import { checkInputs, containsUnknown } from "./check.ts";
import { closure } from "./closure.ts";
import { engineLog, type Reporter, silent } from "./engine.ts";
import { fitness } from "./fitness.ts";
import { front } from "./front.ts";
import { gate } from "./gate.ts";
import { getHost } from "./get-host.ts";
import { getPlan } from "./get-plan.ts";
import { getRelease } from "./get-release.ts";
import { getWavePlan } from "./get-wave-plan.ts";
import { closureInFleet, systemInFleet } from "./in-fleet.ts";
import { interruption } from "./interruption.ts";
import { forgetObservations, forgetStores } from "./observation.ts";
import { worksFor } from "./operator.ts";
import { proof } from "./proof.ts";
import { type Invocation, PartialFailure, type Resource } from "./resource.ts";
import { namingRecord, tellDetour } from "./route.ts";
import { systemProfile } from "./system-profile.ts";
import { verifySignature } from "./verify-signature.ts";

const resources: Record<string, Resource<never, never>> = {
  "nixos:index:Build": erase(build),
  "nixos:index:Closure": erase(closureInFleet(closure)),
  "nixos:index:SystemProfile": erase(systemInFleet(systemProfile)),
  "nixos:index:Front": erase(front),
  "nixos:index:Gate": erase(gate),
  "nixos:index:Fitness": erase(fitness),
  "nixos:index:Proof": erase(proof),
};

const functions: Record<string, Invocation<never>> = {
  "nixos:index:getRelease": getRelease as Invocation<never>,
  "nixos:index:getHost": getHost as Invocation<never>,
  "nixos:index:getPlan": getPlan as Invocation<never>,
  "nixos:index:getWavePlan": getWavePlan as Invocation<never>,
  "nixos:index:verifySignature": verifySignature as Invocation<never>,
};

const reporterFor = engineLog(process.argv[2]);
process.on("exit", closeExecutors);

/** Pulumi's protocol on one side, typed resources on the other. */
export const service = {
  async check(urn, _olds, news) {
    return { inputs: news, failures: checkInputs(resourceOf(urn).inputs, news) };
  },

  // A refresh and a diff in one: every preview and every update starts from what the hosts run,
  // while the program goes on. Pulumi's own refresh would come before the program.
  async diff(_id, urn, olds, news) {
    const known = withoutUnknownManifest(news);
    if (containsUnknown(known)) return { changes: true };
    const [resource, wanted] = [resourceOf(urn), parse(urn, known)];
    const report = reporterFor(urn);
    const looking = told(() => resource.refresh(olds as never, wanted, report));
    // Once for each run that is shown, however many resources the host has.
    const now = await tellingDetour(wanted, report, looking, isOf("SystemProfile", urn));
    if (now === undefined) return { changes: true }; // gone: the update makes it again
    const { changes, ...more } = resource.diff(now, wanted);
    return { changes: changes || !isDeepStrictEqual(now, olds), ...more };
  },

  async create(urn, inputs) {
    const [wanted, report] = [parse(urn, inputs), reporterFor(urn)];
    const creating = changing(urn, wanted, () => resourceOf(urn).create(wanted, report));
    const { id, outputs } = await tellingDetour(wanted, report, creating);
    return { id, outs: outputs };
  },

  async read(id, urn, props) {
    const recorded = props !== undefined && Object.keys(props).length > 0;
    const report = reporterFor(urn);
    const reading = told(() =>
      resourceOf(urn)
        .read(id, (recorded ? props : undefined) as never, report)
        .catch((error) => {
          throw recorded ? namingRecord(error) : error;
        }),
    );
    const found = await tellingDetour(props ?? {}, report, reading, isOf("SystemProfile", urn));
    return found === undefined
      ? { id: "", props: {} }
      : { id, props: found.outputs, inputs: found.inputs };
  },

  async update(_id, urn, olds, news) {
    const [resource, wanted, report] = [resourceOf(urn), parse(urn, news), reporterFor(urn)];
    const updating = changing(urn, wanted, async () => {
      const now = await resource.refresh(olds as never, wanted, silent); // the diff has told
      if (now === undefined) return (await resource.create(wanted, report)).outputs;
      return resource.update(now, wanted, report);
    });
    return { outs: await tellingDetour(wanted, report, updating) };
  },

  async delete(_id, urn, props) {
    const report = reporterFor(urn);
    const deleting = changing(urn, props, () => resourceOf(urn).delete(props as never, report));
    await tellingDetour(props, report, deleting);
  },

  async invoke(token, inputs) {
    const invocation = functions[token];
    if (invocation === undefined) throw new Error(`the nixos provider has no function ${token}`);
    const failures = checkInputs(invocation.inputs, inputs);
    if (failures.length > 0) return { failures };
    return { outputs: await told(() => invocation.call(invocation.inputs.parse(inputs))) };
  },

  // Ctrl-C: jobs are asked to stop on their hosts; the operations then end by themselves with the truth.
  async cancel() {
    interruption.happen();
    await abandonReading();
  },
} satisfies Provider;

function resourceOf(urn: string): Resource<never, never> {
  worksFor(urn);
  const type = urn.split("::")[2]?.split("$").at(-1) ?? "";
  const resource = resources[type];
  if (resource === undefined) throw new Error(`the nixos provider has no resource ${type}`);
  return resource;
}

/** A manifest goes along with a transaction, and a preview knows it only if it is built: that is no reason not to look at the host. */
function withoutUnknownManifest(inputs: Record<string, unknown>): Record<string, unknown> {
  const { manifest, ...others } = inputs;
  return containsUnknown(manifest) ? others : inputs;
}

/** The way that an operation has taken to its host belongs to what it tells, also when it fails. */
function tellingDetour<T>(
  { connection }: { connection?: Connection },
  report: Reporter,
  operation: Promise<T>,
  again = false,
): Promise<T> {
  return operation.finally(() => {
    if (connection !== undefined) tellDetour(connection, report, again);
  });
}

function parse(urn: string, inputs: unknown): never {
  return resourceOf(urn).inputs.parse(inputs) as never;
}

// What was seen of a host before something is done to it says nothing about it afterwards; of what only moves paths and
// roots, nothing about those. Other hosts of a fleet stay as they were seen; without one, it is the builder, which may be
// the host by another way. A build takes away nothing that a closure needs.
async function changing<T>(
  urn: string,
  { connection, rollout }: { connection?: Connection; rollout?: object },
  operation: () => Promise<T>,
): Promise<T> {
  try {
    return await told(operation);
  } finally {
    const forget = movesPathsOnly(urn) ? forgetStores : forgetObservations;
    if (rollout === undefined && !isOf("Build", urn)) forget();
    else if (connection !== undefined) forget(connection);
  }
}

function movesPathsOnly(urn: string): boolean {
  return isOf("Build", urn) || isOf("Closure", urn);
}

function isOf(type: string, urn: string): boolean {
  return urn.includes(`nixos:index:${type}::`);
}

// A failure is a sentence; a stack trace below it would only hide it.
async function told<T>(operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    if (error instanceof PartialFailure) throw error;
    if (error instanceof z.ZodError) throw withoutStack(z.prettifyError(error));
    throw error instanceof Error ? withoutStack(error.message) : error;
  }
}

function withoutStack(message: string): Error {
  const error = new Error(message);
  error.stack = "";
  return error;
}

function erase<I extends object, O extends I>(resource: Resource<I, O>): Resource<never, never> {
  return resource as unknown as Resource<never, never>;
}
