import type { Connection, Way } from "../contract/connection.ts";
import { connectionOf } from "../contract/ways-to-host.ts";
import * as pulumi from "./pulumi.ts";

export interface HostArgs {
  /** Its name in a release: `nixosConfigurations.<name>`. */
  readonly name: string;
  /** Its `nixosConfigurations.<name>`, where that is not its own name. */
  readonly configuration?: string | undefined;
  /** How to reach it. A change here changes nothing on the host. */
  readonly connection: Way;
  /** Another way to the same machine, for when the connection is closed. It takes `machineId`. */
  readonly fallback?: Way | undefined;
  /** The /etc/machine-id that it must have. Default: not checked. */
  readonly machineId?: string | undefined;
}

/**
 * A machine that runs NixOS.
 *
 *     const host = new Host("choiros-prod", {
 *       name: "choiros-prod",
 *       connection: { kind: "ssh", host: "choiros-prod" },
 *     });
 */
export class Host extends pulumi.ComponentResource {
  readonly hostName: string;
  readonly configuration: string;
  readonly connection: Connection;
  readonly machineId: string | undefined;

  constructor(name: string, args: HostArgs, opts?: pulumi.ComponentResourceOptions) {
    super("choiros:index:Host", name, {}, opts);
    this.hostName = args.name;
    this.configuration = args.configuration ?? args.name;
    this.connection = connectionOf(args);
    this.machineId = args.machineId;
    this.registerOutputs({ name: this.hostName, connection: this.connection });
  }
}
