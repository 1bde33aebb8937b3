import type { FrontInputs } from "../contract/front.ts";
import type { FitnessInputs, ProofInputs } from "../contract/handover.ts";
import type { AnyManifest } from "../contract/manifest.ts";
import type {
  BuildInputs,
  ClosureInputs,
  Evaluation,
  GetHostInputs,
  GetPlanInputs,
  GetReleaseInputs,
  GetWavePlanInputs,
  Live,
  SystemProfileInputs,
  SystemProfileOutputs,
  VerifySignatureInputs,
  WavePlan,
} from "../contract/resources.ts";
import type { GateInputs } from "../contract/rollout.ts";
import * as pulumi from "./pulumi.ts";

/* The provider's resources and functions, as a Pulumi program sees them. */

type Args<T> = { [Key in keyof T]: pulumi.Input<T[Key]> };

/** A release, built once on the builder and rooted there. */
export class Build extends pulumi.CustomResource {
  declare readonly manifest: pulumi.Output<AnyManifest>;

  constructor(name: string, args: Args<BuildInputs>, opts?: pulumi.CustomResourceOptions) {
    super("nixos:index:Build", name, { manifest: undefined, ...args }, opts);
  }
}

/** A closure, valid on a host and safe from garbage collection. */
export class Closure extends pulumi.CustomResource {
  declare readonly path: pulumi.Output<string>;

  constructor(name: string, args: Args<ClosureInputs>, opts?: pulumi.CustomResourceOptions) {
    super("nixos:index:Closure", name, { root: undefined, ...args }, opts);
  }
}

/** What a host runs. */
export class SystemProfile extends pulumi.CustomResource {
  declare readonly live: pulumi.Output<Live>;
  declare readonly drift: pulumi.Output<string[]>;
  declare readonly pending: pulumi.Output<string[]>;
  declare readonly transaction: pulumi.Output<SystemProfileOutputs["transaction"]>;

  constructor(name: string, args: Args<SystemProfileInputs>, opts?: pulumi.CustomResourceOptions) {
    super(
      "nixos:index:SystemProfile",
      name,
      { live: undefined, drift: undefined, pending: undefined, transaction: undefined, ...args },
      opts,
    );
  }
}

/** A proxy in front of some hosts, of which one gets public traffic. */
export class Front extends pulumi.CustomResource {
  declare readonly active: pulumi.Output<string>;

  constructor(name: string, args: Args<FrontInputs>, opts?: pulumi.CustomResourceOptions) {
    super("nixos:index:Front", name, { target: undefined, machineId: undefined, ...args }, opts);
  }
}

/** That a host which is to get public traffic is healthy, before a cloud moves it. */
export class Fitness extends pulumi.CustomResource {
  constructor(name: string, args: Args<FitnessInputs>, opts?: pulumi.CustomResourceOptions) {
    super("nixos:index:Fitness", name, { ...args }, opts);
  }
}

/** That people get it, after a cloud has moved it. */
export class Proof extends pulumi.CustomResource {
  /** Who gets it. */
  declare readonly active: pulumi.Output<string>;

  constructor(name: string, args: Args<ProofInputs>, opts?: pulumi.CustomResourceOptions) {
    super("nixos:index:Proof", name, { active: undefined, proven: undefined, ...args }, opts);
  }
}

/** Where the hosts of a wave wait for each other. */
export class Gate extends pulumi.CustomResource {
  constructor(name: string, args: Args<GateInputs>, opts?: pulumi.CustomResourceOptions) {
    super("nixos:index:Gate", name, { ...args }, opts);
  }
}

/** The exact output paths of a revision, by evaluation on the builder. */
export function getRelease(args: GetReleaseInputs): Promise<Evaluation> {
  return invoke("nixos:index:getRelease", args);
}

/** What a host runs now. */
export function getHost(args: GetHostInputs): Promise<object> {
  return invoke("nixos:index:getHost", args);
}

export interface PlanSummary {
  readonly from: string | null;
  readonly to: string | null;
  readonly drift: string[];
  readonly pending: string[];
  readonly links: object[];
  readonly copy: { readonly problems?: string[] };
  readonly running: string | null;
  readonly text: string;
  readonly machine?: object;
}

/** What putting a release on a host will do. */
export function getPlan(args: GetPlanInputs): Promise<PlanSummary> {
  return invoke("nixos:index:getPlan", args);
}

export interface WavePlanSummary extends WavePlan {
  readonly machines?: readonly { readonly name: string }[];
}

/** What putting a release on the hosts of a wave will do. */
export function getWavePlan(args: GetWavePlanInputs): Promise<WavePlanSummary> {
  return invoke("nixos:index:getWavePlan", args);
}

/** Who has signed a manifest; an error if it is nobody of the allowed ones. */
export function verifySignature(args: VerifySignatureInputs): Promise<{ signer: string }> {
  return invoke("nixos:index:verifySignature", args);
}

// The provider's own sentence, without the stack of the call that carried it.
async function invoke<T>(token: string, args: object): Promise<T> {
  try {
    return await pulumi.invoke(token, { ...args });
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new pulumi.RunError(said.replace(/^invocation of \S+ returned an error: /i, ""));
  }
}
