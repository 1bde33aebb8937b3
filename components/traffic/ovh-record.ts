import * as ovh from "@ovhcloud/pulumi-ovh";
import type { TrafficOf } from "../../contract/traffic.ts";
import * as pulumi from "../pulumi.ts";
import { recordType, type Traffic, targetOf } from "./index.ts";

/** By a record of a DNS zone at OVH. A flip is an update of the record. */
export class OvhRecordTraffic extends pulumi.ComponentResource implements Traffic {
  readonly active: pulumi.Output<string>;

  constructor(name: string, args: TrafficOf<"ovhRecord">, opts?: pulumi.ComponentResourceOptions) {
    super("choiros:traffic:OvhRecord", name, {}, opts);
    this.active = pulumi.output(args.active);
    const target = targetOf(args);
    new ovh.domain.ZoneRecord(
      `${name}-record`,
      {
        ...{ zone: args.zone, subdomain: args.subdomain, ttl: args.ttl },
        ...{ fieldtype: recordType(target), target },
      },
      {
        ...{ parent: this, protect: true, retainOnDelete: true },
        ...(args.recordId === undefined ? {} : { import: `${args.recordId}.${args.zone}` }),
      },
    );
    this.registerOutputs({ active: this.active });
  }
}
