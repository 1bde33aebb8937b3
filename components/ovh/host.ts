import * as ovh from "@ovhcloud/pulumi-ovh";
import type { OvhServer } from "../../contract/ovh.ts";
import * as pulumi from "../pulumi.ts";

export type OvhHostArgs = Omit<OvhServer, "formerly">;
type Dedicated = Extract<OvhServer, { kind: "dedicated" }>;

/**
 * A dedicated server or a VPS of OVH, by its service name. It is rented by hand and installed once; here
 * it is looked up, and told what to boot.
 *
 *     const host = new OvhHost("choiros-a", { kind: "dedicated", serviceName: "ns1234567.ip-192-0-2.eu" });
 *     host.address; // for [traffic.hosts]
 */
export class OvhHost extends pulumi.ComponentResource {
  readonly address: pulumi.Output<string>;
  readonly state: pulumi.Output<string>;

  constructor(name: string, args: OvhServer, opts?: pulumi.ComponentResourceOptions) {
    super("choiros:ovh:OvhHost", name, {}, opts);
    const seen = args.kind === "dedicated" ? lookAtServer(args, this) : lookAtVps(args, this);
    if (args.kind === "dedicated") tend(name, args, this);
    this.address = seen.address;
    this.state = seen.state;
    this.registerOutputs({ address: this.address, state: this.state });
  }
}

interface Seen {
  readonly address: pulumi.Output<string>;
  readonly state: pulumi.Output<string>;
}

function lookAtServer({ serviceName }: Dedicated, parent: OvhHost): Seen {
  const server = ovh.getServerOutput({ serviceName }, { parent });
  const state = pulumi
    .all([server.state, server.powerState])
    .apply(([health, power]) => `${health}, ${power}`);
  return { address: server.ip, state };
}

function lookAtVps({ serviceName }: { readonly serviceName: string }, parent: OvhHost): Seen {
  const server = ovh.vps.getVpsOutput({ serviceName }, { parent });
  const address = server.ips.apply((ips) => {
    const found = ips.find((ip) => !ip.includes(":")) ?? ips[0];
    if (found !== undefined) return found;
    throw new pulumi.RunError(
      `[ovh.servers] ${serviceName} has no address yet. Nothing was changed.`,
    );
  });
  return { address, state: server.state };
}

/** Given up, it stays as it is: there is no state of a server that "nothing" would stand for. */
function tend(name: string, args: Dedicated, parent: OvhHost): void {
  const { serviceName, monitoring, boot, reboot } = args;
  const kept = { parent, retainOnDelete: true };
  const first: pulumi.Resource[] = [];
  if (monitoring !== undefined || boot !== undefined)
    first.push(
      new ovh.dedicated.ServerUpdate(
        `${name}-server`,
        {
          serviceName,
          ...(monitoring === undefined ? {} : { monitoring }),
          ...(boot === undefined ? {} : { bootId: bootIdOf(serviceName, boot, parent) }),
        },
        kept,
      ),
    );
  if (reboot !== undefined)
    new ovh.dedicated.ServerRebootTask(
      `${name}-reboot`,
      { serviceName, keepers: [reboot] },
      { ...kept, dependsOn: first },
    );
}

function bootIdOf(
  serviceName: string,
  bootType: "harddisk" | "rescue",
  parent: OvhHost,
): pulumi.Output<number> {
  const boots = ovh.dedicated.getServerBootsOutput({ serviceName, bootType }, { parent });
  return boots.results.apply(([first]) => {
    if (first !== undefined) return first;
    throw new pulumi.RunError(
      `[ovh.servers] ${serviceName} has no way to boot from ${bootType}. Nothing was changed.`,
    );
  });
}
