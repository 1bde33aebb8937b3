import * as ovh from "@ovhcloud/pulumi-ovh";
import type { TrafficOf } from "../../contract/traffic.ts";
import * as pulumi from "../pulumi.ts";
import { type HandoverArgs, handOver, settleSecondsOf } from "./handover.ts";
import { recordType, type Traffic } from "./index.ts";

/** By a record of a DNS zone at OVH. A flip is an update of the record; old answers live on for its `ttl`. */
export class OvhRecordTraffic extends pulumi.ComponentResource implements Traffic {
  readonly active: pulumi.Output<string>;

  constructor(
    name: string,
    args: TrafficOf<"ovhRecord"> & HandoverArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("choiros:traffic:OvhRecord", name, {}, opts);
    const { target } = args.to;
    const { zone, subdomain, ttl, recordId } = args;
    const mover = {
      move: `the record ${subdomain === "" ? zone : `${subdomain}.${zone}`} becomes ${target}, which all see within ${ttl} s`,
      settleSeconds: settleSecondsOf(ttl),
      resource: (options: pulumi.CustomResourceOptions) =>
        new ovh.domain.ZoneRecord(
          `${name}-record`,
          { zone, subdomain, ttl, fieldtype: recordType(target), target },
          {
            ...options,
            protect: true,
            ...(recordId === undefined ? {} : { import: `${recordId}.${zone}` }),
          },
        ),
    };
    this.active = handOver(name, args, mover, this);
    this.registerOutputs({ active: this.active });
  }
}
