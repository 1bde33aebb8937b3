import * as aws from "@pulumi/aws";
import type { TrafficOf } from "../../contract/traffic.ts";
import * as pulumi from "../pulumi.ts";
import { type HandoverArgs, handOver, settleSecondsOf } from "./handover.ts";
import { recordType, type Traffic } from "./index.ts";

/** By a record of Route 53. A flip is an update of the record; old answers live on for its `ttl`. */
export class Route53Traffic extends pulumi.ComponentResource implements Traffic {
  readonly active: pulumi.Output<string>;

  constructor(
    name: string,
    args: TrafficOf<"route53"> & HandoverArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("choiros:traffic:Route53", name, {}, opts);
    const { target } = args.to;
    const { zoneId, ttl } = args;
    const mover = {
      move: `the record ${args.name} becomes ${target}, which all see within ${ttl} s`,
      settleSeconds: settleSecondsOf(ttl),
      resource: (options: pulumi.CustomResourceOptions) =>
        new aws.route53.Record(
          `${name}-record`,
          {
            ...{ zoneId, name: args.name, type: recordType(target), ttl },
            ...{ records: [target], allowOverwrite: args.takeOver },
          },
          { ...options, protect: true },
        ),
    };
    this.active = handOver(name, args, mover, this);
    this.registerOutputs({ active: this.active });
  }
}
