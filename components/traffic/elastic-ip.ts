import * as aws from "@pulumi/aws";
import type { TrafficOf } from "../../contract/traffic.ts";
import * as pulumi from "../pulumi.ts";
import { type HandoverArgs, handOver } from "./handover.ts";
import type { Traffic } from "./index.ts";

/**
 * By an Elastic IP, which is moved to the instance. AWS knows no change of an association: a flip makes
 * the new one, which takes the address over in one call, and the old one is gone by that. The address
 * itself is nobody's to delete here.
 */
export class ElasticIpTraffic extends pulumi.ComponentResource implements Traffic {
  readonly active: pulumi.Output<string>;

  constructor(
    name: string,
    args: TrafficOf<"elasticIp"> & HandoverArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("choiros:traffic:ElasticIp", name, {}, opts);
    const { target } = args.to;
    const { allocationId } = args;
    const mover = {
      move: `the address ${allocationId} goes to ${target}, at once`,
      settleSeconds: 0,
      resource: (options: pulumi.CustomResourceOptions) =>
        new aws.ec2.EipAssociation(
          `${name}-association`,
          { allocationId, instanceId: target, allowReassociation: true },
          { ...options, deleteBeforeReplace: false },
        ),
    };
    this.active = handOver(name, args, mover, this);
    this.registerOutputs({ active: this.active });
  }
}
