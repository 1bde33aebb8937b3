import * as aws from "@pulumi/aws";
import type { TrafficOf } from "../../contract/traffic.ts";
import * as pulumi from "../pulumi.ts";
import { type Traffic, targetOf } from "./index.ts";

/**
 * By an Elastic IP, which is moved to the instance. AWS knows no change of an association: a flip makes
 * the new one, which takes the address over in one call, and the old one is gone by that. The address
 * itself is nobody's to delete here.
 */
export class ElasticIpTraffic extends pulumi.ComponentResource implements Traffic {
  readonly active: pulumi.Output<string>;

  constructor(name: string, args: TrafficOf<"elasticIp">, opts?: pulumi.ComponentResourceOptions) {
    super("choiros:traffic:ElasticIp", name, {}, opts);
    this.active = pulumi.output(args.active);
    new aws.ec2.EipAssociation(
      `${name}-association`,
      { allocationId: args.allocationId, instanceId: targetOf(args), allowReassociation: true },
      { parent: this, retainOnDelete: true, deleteBeforeReplace: false },
    );
    this.registerOutputs({ active: this.active });
  }
}
