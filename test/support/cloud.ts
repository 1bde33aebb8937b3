import * as pulumi from "@pulumi/pulumi";
import type { MockCallArgs, MockResourceArgs } from "@pulumi/pulumi/runtime/mocks.js";
import type { Policy } from "../../components/aws/policies.ts";
import { resolved, settled } from "./program.ts";
import { type Registration, recordRegistrations } from "./registrations.ts";

export const ACCOUNT = "111122223333";
export const INSTANCE = "i-0123456789abcdef0";
export const REGION = "eu-central-1";

export interface CloudRan {
  readonly registrations: Registration[];
  readonly calls: MockCallArgs[];
  readonly outputs: Record<string, unknown>;
  /** The one resource of a type, or of that name. */
  the(type: string, name?: string): Registration;
}

export interface CloudWorld {
  /** What other stacks say, by their names. */
  readonly stacks?: Record<string, object>;
  /** What look-ups answer, by the function's token. */
  readonly answers?: Record<string, object>;
}

let runs = 0;

/** Runs cloud.ts as Pulumi would, in a cloud that only remembers. */
export async function runCloud(
  config: Record<string, unknown>,
  { stacks = {}, answers = {} }: CloudWorld = {},
): Promise<CloudRan> {
  const calls: MockCallArgs[] = [];
  const newResource = async (args: MockResourceArgs) => ({
    id: idOf(args),
    state: { ...args.inputs, ...stateOf(args, stacks) },
  });
  const call = async (args: MockCallArgs) => {
    calls.push(args);
    return { ...ANSWERS[args.token], ...answers[args.token] };
  };
  await pulumi.runtime.setMocks({ newResource, call }, "choiros", "cloud", false, "organization");
  const registrations = recordRegistrations();
  const text = Object.entries(config).map(([key, value]) => [
    `choiros:${key}`,
    JSON.stringify(value),
  ]);
  pulumi.runtime.setAllConfig(Object.fromEntries(text));
  runs += 1;
  const program = await import(new URL(`../../cloud.ts?run=${runs}`, import.meta.url).href);
  await settled();
  const outputs = (await resolved({ ...program })) as Record<string, unknown>;
  const the = (type: string, name?: string) => {
    const found = registrations.filter(
      (one) => one.type === type && (name ?? one.name) === one.name,
    );
    const [only] = found;
    if (only === undefined || found.length > 1)
      throw new Error(`expected one ${type}, found ${found.length}`);
    return only;
  };
  return { registrations, calls, outputs, the };
}

const ANSWERS: Record<string, object> = {
  "aws:ec2/getInstance:getInstance": {
    ...{ id: INSTANCE, privateIp: "192.0.2.10", publicIp: "198.51.100.10" },
  },
  "ovh:index/getServer:getServer": { ip: "192.0.2.20", state: "ok", powerState: "poweron" },
  "ovh:Vps/getVps:getVps": { ips: ["2001:db8::20", "192.0.2.21"], state: "running" },
  "ovh:Dedicated/getServerBoots:getServerBoots": { results: [1122, 3344] },
};

function idOf({ type, name, inputs }: MockResourceArgs): string {
  if (type === "aws:ec2/instance:Instance") return INSTANCE;
  if (type === "aws:s3/bucket:Bucket") return inputs.bucket;
  return `${name}-id`;
}

function stateOf(args: MockResourceArgs, stacks: Record<string, object>): object {
  const { type, name } = args;
  if (type === "pulumi:pulumi:StackReference")
    return { outputs: stacks[args.inputs.name] ?? {}, secretOutputNames: [] };
  if (type === "nixos:index:Proof") return { active: args.inputs.to.name, proven: true };
  if (type === "aws:iam/role:Role") return { name, arn: `arn:aws:iam::${ACCOUNT}:role/${name}` };
  if (type === "aws:iam/openIdConnectProvider:OpenIdConnectProvider")
    return { arn: `arn:aws:iam::${ACCOUNT}:oidc-provider/token.actions.githubusercontent.com` };
  if (type === "aws:ec2/instance:Instance")
    return { privateIp: "192.0.2.11", publicIp: "198.51.100.11" };
  if (type === "aws:iam/instanceProfile:InstanceProfile") return { name };
  return {};
}

/** The policy that a resource holds. */
export function policyIn({ inputs }: Registration, key = "policy"): Policy {
  return JSON.parse(String(inputs[key])) as Policy;
}
