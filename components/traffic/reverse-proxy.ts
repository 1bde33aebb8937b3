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
  readonly active: string;

  constructor(name: string, args: ReverseProxyArgs, opts?: pulumi.ComponentResourceOptions) {
    super("choiros:traffic:ReverseProxy", name, {}, opts);
    this.active = args.active;
    const { proxy, file, unit, active, members, release } = args;
    const { minHealthySeconds, verify, drainSeconds } = args;
    new Front(
      `${name}-front`,
      {
        ...{ connection: proxy, file, unit, active, members },
        ...(release === undefined ? {} : { release }),
        ...{ minHealthySeconds, verify, drainSeconds },
      },
      { parent: this },
    );
    this.registerOutputs({ active: this.active });
  }
}
