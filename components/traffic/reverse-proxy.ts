import type { TrafficOf } from "../../contract/traffic.ts";
import * as pulumi from "../pulumi.ts";
import { Front } from "../resources.ts";
import type { Traffic } from "./index.ts";
import type { Members } from "./members.ts";

export interface ReverseProxyArgs extends TrafficOf<"reverseProxy"> {
  readonly members: Members;
}

/**
 * By a Caddy of your own in front of the hosts. A flip is an update of one file that it imports; the new active
 * host has to be healthy before, and is asked for through the proxy afterwards. Otherwise traffic goes back.
 */
export class ReverseProxyTraffic extends pulumi.ComponentResource implements Traffic {
  /** Who really gets it: after a flip that was taken back, the one before. */
  readonly active: pulumi.Output<string>;

  constructor(name: string, args: ReverseProxyArgs, opts?: pulumi.ComponentResourceOptions) {
    super("choiros:traffic:ReverseProxy", name, {}, opts);
    const { proxy, file, unit, active, members, release } = args;
    const { minHealthySeconds, verify, drainSeconds } = args;
    const front = new Front(
      `${name}-front`,
      {
        ...{ connection: proxy, file, unit, active, members },
        ...(release === undefined ? {} : { release }),
        ...{ minHealthySeconds, verify, drainSeconds },
      },
      { parent: this },
    );
    this.active = front.active;
    this.registerOutputs({ active: this.active });
  }
}
