import * as aws from "@pulumi/aws";
import type { TrafficOf } from "../../contract/traffic.ts";
import * as pulumi from "../pulumi.ts";
import { recordType, type Traffic, targetOf } from "./index.ts";

/** By a record of Route 53. A flip is an update of the record; old answers live on for its `ttl`. */
export class Route53Traffic extends pulumi.ComponentResource implements Traffic {
  readonly active: pulumi.Output<string>;

  constructor(name: string, args: TrafficOf<"route53">, opts?: pulumi.ComponentResourceOptions) {
    super("choiros:traffic:Route53", name, {}, opts);
    this.active = pulumi.output(args.active);
    const target = targetOf(args);
    new aws.route53.Record(
      `${name}-record`,
      {
        ...{ zoneId: args.zoneId, name: args.name, type: recordType(target), ttl: args.ttl },
        records: [target],
        allowOverwrite: args.takeOver,
      },
      // Whatever becomes of this stack, the name goes on leading somewhere.
      { parent: this, protect: true, retainOnDelete: true },
    );
    this.registerOutputs({ active: this.active });
  }
}
