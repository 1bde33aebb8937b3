import * as pulumi from "@pulumi/pulumi";
import type { MockCallArgs, MockResourceArgs } from "@pulumi/pulumi/runtime/mocks.js";
import { getPlanInputs, getWavePlanInputs, type WavePlan } from "../../contract/resources.ts";
import { type Registration, recordRegistrations } from "./registrations.ts";
import { EVALUATION, hostState, MANIFEST, SYSTEM_A, SYSTEM_B } from "./samples.ts";
import { configOf } from "./stack-config.ts";

export interface World {
  readonly stack: "grind" | "prod";
  readonly preview?: boolean;
  /** What is run. Default: index.ts. */
  readonly from?: "start.ts" | "index.ts" | "fleet.ts";
  /** Settings that differ from the shipped ones; undefined takes one out. */
  readonly config?: Record<string, unknown>;
  /** What the stack that prod takes its release from says. */
  readonly offer?: Record<string, unknown>;
  readonly plan?: object;
  readonly wavePlan?: Partial<WavePlan>;
  readonly drift?: string[];
  /** The system is left out of its first `up`, by `--exclude`. */
  readonly leftOut?: boolean;
  /** What of the host differs from one that runs the release. */
  readonly live?: object;
  readonly refuses?: Record<string, string>;
}

export interface Ran {
  readonly outputs: Record<string, unknown>;
  readonly resources: MockResourceArgs[];
  readonly calls: MockCallArgs[];
  readonly urns: string[];
  readonly logged: string[];
  readonly warned: string[];
  /** Each resource with the options that it was registered with. */
  readonly registrations: Registration[];
  /** The inputs of the one resource of a type. */
  inputsOf(type: string): Record<string, unknown>;
}

export const PLAN = {
  from: SYSTEM_A,
  to: SYSTEM_B,
  drift: [],
  pending: [],
  links: [],
  copy: {},
  text: "choiros-prod: what will change",
};
export const TRANSACTION = {
  ...{ id: "activate-1", outcome: "committed", reason: null },
  ...{ previousSystem: SYSTEM_A, finishedAt: 1767225612, probes: { hypervisor: "200" } },
};

let runs = 0;

/** Runs the program as Pulumi would, with an engine that only remembers. */
export async function runProgram(world: World): Promise<Ran> {
  const resources: MockResourceArgs[] = [];
  const calls: MockCallArgs[] = [];
  const logged: string[] = [];
  const warned: string[] = [];
  const newResource = async (args: MockResourceArgs) => {
    // A copy takes its time; what does not wait for it is there first.
    if (args.type === "nixos:index:Closure") await new Promise((done) => setTimeout(done, 20));
    resources.push(args);
    return { id: `${args.name}-id`, state: { ...args.inputs, ...stateOf(args, world) } };
  };
  const call = async (args: MockCallArgs) => {
    calls.push(args);
    const refusal = world.refuses?.[args.token];
    if (refusal !== undefined)
      throw Object.assign(new Error(refusal), { code: 2, details: refusal }); // as grpc-js does
    if (args.token === "nixos:index:getPlan") return world.plan ?? PLAN;
    return args.token === "nixos:index:getWavePlan" ? wavePlanOf(args, world) : EVALUATION;
  };
  await pulumi.runtime.setMocks(
    { newResource, call },
    "choiros",
    world.stack,
    world.preview ?? false,
    "organization",
  );
  const registrations = recordRegistrations();
  pulumi.runtime.setAllConfig(textOf({ ...configOf(world.stack), ...world.config }));
  Object.assign(pulumi.log, {
    info: async (message: string) => void logged.push(message),
    warn: async (message: string) => void warned.push(message),
  });
  runs += 1;
  const file = world.from ?? "index.ts";
  const program = await import(new URL(`../../${file}?run=${runs}`, import.meta.url).href);
  const outputs: Record<string, unknown> = { ...(await (program.default?.() ?? program)) };
  await settled();
  return {
    ...{ outputs, resources, calls, logged, warned, registrations },
    urns: [...internals.getMonitor().getRegisteredResources().keys()],
    inputsOf: (type) => onlyOne(resources.filter((resource) => resource.type === type)).inputs,
  };
}

/** The plan of all hosts that were asked for is the same. */
function wavePlanOf({ inputs }: MockCallArgs, { wavePlan }: World): WavePlan {
  const asked = getWavePlanInputs.parse(inputs);
  const hosts = asked.hosts.map((own) => getPlanInputs.parse({ ...asked.common, ...own }).host);
  const group = { hosts, text: `${hosts.join(", ")}: what will change`, problems: [] };
  return { groups: [group], settled: [], unseen: [], ...wavePlan };
}

/** The value of an output that is known. */
export function resolved(output: unknown): Promise<unknown> {
  const given: pulumi.Output<unknown> = pulumi.output(output);
  return new Promise((resolve) => given.apply(resolve));
}

function stateOf({ type, inputs }: MockResourceArgs, world: World): object {
  if (type === "pulumi:pulumi:StackReference")
    return { outputs: world.offer ?? {}, secretOutputNames: [] };
  if (world.preview) return {}; // what a resource will say is not known yet
  if (type === "nixos:index:Build") return { manifest: MANIFEST };
  if (type === "nixos:index:Closure") return { root: "closure-1" };
  if (type === "nixos:index:SystemProfile" && world.leftOut) return {};
  const { units: _units, paths: _paths, roots: _roots, ...live } = hostState();
  if (type === "nixos:index:SystemProfile")
    return {
      live: { ...live, currentSystem: inputs.toplevel ?? SYSTEM_B, ...world.live },
      ...{ drift: world.drift ?? [], pending: [], transaction: TRANSACTION },
    };
  return {};
}

function textOf(config: Record<string, unknown>): Record<string, string> {
  const given = Object.entries(config).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([key, value]) => [key, JSON.stringify(value)]));
}

// Not in Pulumi's typings, but what its own test helpers are made of.
const internals = pulumi.runtime as unknown as {
  waitForRPCs(): Promise<void>;
  getMonitor(): { getRegisteredResources(): Map<string, unknown> };
};

export async function settled(): Promise<void> {
  for (let round = 0; round < 5; round += 1) {
    await internals.waitForRPCs();
    await new Promise((resume) => setImmediate(resume));
  }
}

function onlyOne<T>(items: T[]): T {
  const [item] = items;
  if (item === undefined || items.length > 1)
    throw new Error(`expected one resource, found ${items.length}`);
  return item;
}
