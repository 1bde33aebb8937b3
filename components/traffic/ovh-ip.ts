import * as ovh from "@ovhcloud/pulumi-ovh";
import type { TrafficOf } from "../../contract/traffic.ts";
import * as pulumi from "../pulumi.ts";
import { type HandoverArgs, handOver } from "./handover.ts";
import type { Traffic } from "./index.ts";

/** By an additional IP of OVH, which is moved to the server's service. Both servers have to know the IP. */
export class OvhIpTraffic extends pulumi.ComponentResource implements Traffic {
  readonly active: pulumi.Output<string>;

  constructor(
    name: string,
    args: TrafficOf<"ovhIp"> & HandoverArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("choiros:traffic:OvhIp", name, {}, opts);
    const { target } = args.to;
    const mover = {
      move: `${args.ip} is routed to ${target}, within minutes`,
      settleSeconds: SETTLE_SECONDS,
      resource: (options: pulumi.CustomResourceOptions) =>
        new ovh.ip.Move(
          `${name}-ip`,
          { ip: args.ip, routedTo: { serviceName: target } },
          { ...options, protect: true },
        ),
    };
    this.active = handOver(name, args, mover, this);
    this.registerOutputs({ active: this.active });
  }
}

/** OVH's routers take their time after the move itself has ended. */
const SETTLE_SECONDS = 120;
