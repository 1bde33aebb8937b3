import * as aws from "@pulumi/aws";
import * as pulumi from "../pulumi.ts";
import { agentPolicy, instanceTrust, type Policy } from "./policies.ts";

/** An instance that is there already. */
export interface AdoptedInstance {
  readonly instanceId?: string | undefined;
  /** The one instance that runs and has all of these tags. */
  readonly tag?: Readonly<Record<string, string>> | undefined;
  /** Its role, which gets the policies. Default: it is left as it is. */
  readonly role?: string | undefined;
}

/** A new instance. */
export interface NewInstance {
  /** An image of NixOS with the SSM agent. Another one later changes nothing: NixOS updates itself. */
  readonly ami: string;
  readonly instanceType: string;
  readonly vpcId: string;
  readonly subnetId: string;
  readonly diskGiB: number;
  /** What may come in. Nothing else does, ssh neither. */
  readonly inbound: readonly { readonly port: number; readonly from: string }[];
}

export interface AwsHostArgs {
  readonly instance:
    | ({ readonly from: "adopt" } & AdoptedInstance)
    | ({ readonly from: "create" } & NewInstance);
  /** What it may do beside being sent commands, such as read the cache. By name. */
  readonly policies: Readonly<Record<string, Policy>>;
}

/**
 * An instance of EC2 that is promoted to over SSM.
 *
 *     new AwsHost("choiros-prod", {
 *       instance: { from: "adopt", tag: { Name: "choiros-prod" } },
 *       policies: { cache: cache.readerPolicy },
 *     });
 */
export class AwsHost extends pulumi.ComponentResource {
  readonly instanceId: pulumi.Output<string>;
  readonly privateIp: pulumi.Output<string>;
  readonly publicIp: pulumi.Output<string>;

  constructor(name: string, args: AwsHostArgs, opts?: pulumi.ComponentResourceOptions) {
    super("choiros:aws:AwsHost", name, {}, opts);
    const { instance, policies } = args;
    const found =
      instance.from === "adopt"
        ? adopt(name, instance, policies, this)
        : create(name, instance, policies, this);
    this.instanceId = found.instanceId;
    this.privateIp = found.privateIp;
    this.publicIp = found.publicIp;
    this.registerOutputs({
      ...{ instanceId: this.instanceId, privateIp: this.privateIp, publicIp: this.publicIp },
    });
  }
}

interface Found {
  readonly instanceId: pulumi.Output<string>;
  readonly privateIp: pulumi.Output<string>;
  readonly publicIp: pulumi.Output<string>;
}

/** Looked up, and never more than that: what somebody else has made is his to change and to delete. */
function adopt(
  name: string,
  { instanceId, tag = {}, role }: AdoptedInstance,
  policies: AwsHostArgs["policies"],
  parent: AwsHost,
): Found {
  const running = { name: "instance-state-name", values: ["running"] };
  const tags = Object.entries(tag).map(([key, value]) => ({ name: `tag:${key}`, values: [value] }));
  const found = aws.ec2.getInstanceOutput(
    instanceId === undefined ? { filters: [running, ...tags] } : { instanceId },
    { parent },
  );
  if (role !== undefined) attach(name, role, policies, parent);
  return { instanceId: found.id, privateIp: found.privateIp, publicIp: found.publicIp };
}

function create(
  name: string,
  args: NewInstance,
  policies: AwsHostArgs["policies"],
  parent: AwsHost,
): Found {
  const role = new aws.iam.Role(
    `${name}-role`,
    { assumeRolePolicy: JSON.stringify(instanceTrust()) },
    { parent },
  );
  attach(name, role.name, { agent: agentPolicy(), ...policies }, parent);
  const profile = new aws.iam.InstanceProfile(`${name}-profile`, { role: role.name }, { parent });
  const group = createGroup(name, args, parent);
  const instance = createInstance(name, args, { profile, group }, parent);
  return {
    instanceId: instance.id,
    ...{ privateIp: instance.privateIp, publicIp: instance.publicIp },
  };
}

function attach(
  name: string,
  role: pulumi.Input<string>,
  policies: AwsHostArgs["policies"],
  parent: AwsHost,
): void {
  for (const [what, policy] of Object.entries(policies))
    new aws.iam.RolePolicy(
      `${name}-may-${what}`,
      { role, policy: JSON.stringify(policy) },
      { parent },
    );
}

function createGroup(name: string, { vpcId, inbound }: NewInstance, parent: AwsHost) {
  return new aws.ec2.SecurityGroup(
    `${name}-group`,
    {
      vpcId,
      description: "nixos-promote", // one that changes would replace it
      ingress: inbound.map(({ port, from }) => ({
        ...{ protocol: "tcp", fromPort: port, toPort: port },
        ...(from.includes(":") ? { ipv6CidrBlocks: [from] } : { cidrBlocks: [from] }),
      })),
      egress: [
        {
          ...{ protocol: "-1", fromPort: 0, toPort: 0 },
          ...{ cidrBlocks: ["0.0.0.0/0"], ipv6CidrBlocks: ["::/0"] },
        },
      ],
    },
    { parent },
  );
}

function createInstance(
  name: string,
  { ami, instanceType, subnetId, diskGiB }: NewInstance,
  using: { readonly profile: aws.iam.InstanceProfile; readonly group: aws.ec2.SecurityGroup },
  parent: AwsHost,
): aws.ec2.Instance {
  return new aws.ec2.Instance(
    `${name}-instance`,
    {
      ...{ ami, instanceType, subnetId },
      iamInstanceProfile: using.profile.name,
      vpcSecurityGroupIds: [using.group.id],
      disableApiTermination: true,
      metadataOptions: { httpTokens: "required", httpPutResponseHopLimit: 1 },
      rootBlockDevice: {
        ...{ volumeSize: diskGiB, volumeType: "gp3", encrypted: true },
        deleteOnTermination: false, // its data outlives it
      },
      tags: { Name: name },
    },
    {
      ...{ parent, protect: true, retainOnDelete: true },
      // Each of these would be a new machine in the place of one that holds data.
      ignoreChanges: ["ami", "subnetId", "userData", "rootBlockDevice.encrypted"],
    },
  );
}
