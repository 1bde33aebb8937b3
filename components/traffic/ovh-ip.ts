import * as ovh from "@ovhcloud/pulumi-ovh";
import type { TrafficOf } from "../../contract/traffic.ts";
import * as pulumi from "../pulumi.ts";
import { type Traffic, targetOf } from "./index.ts";

/** By an additional IP of OVH, which is moved to the server's service. Both servers have to know the IP. */
export class OvhIpTraffic extends pulumi.ComponentResource implements Traffic {
  readonly active: pulumi.Output<string>;

  constructor(name: string, args: TrafficOf<"ovhIp">, opts?: pulumi.ComponentResourceOptions) {
    super("choiros:traffic:OvhIp", name, {}, opts);
    this.active = pulumi.output(args.active);
    new ovh.ip.Move(
      `${name}-ip`,
      { ip: args.ip, routedTo: { serviceName: targetOf(args) } },
      { parent: this, protect: true, retainOnDelete: true },
    );
    this.registerOutputs({ active: this.active });
  }
}
