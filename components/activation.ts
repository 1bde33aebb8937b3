import * as pulumi from "@pulumi/pulumi";
import type { Preflight } from "../contract/preflight.ts";
import type { Probe } from "../contract/probe.ts";
import type { Live, SystemProfileInputs, SystemProfileOutputs } from "../contract/resources.ts";
import type { Host } from "./host.ts";
import type { Release } from "./release.ts";
import { Closure, getPlan, SystemProfile } from "./resources.ts";

export interface ActivationArgs {
  readonly host: Host;
  readonly release: Release;
  /** How closures reach the host. */
  readonly copy:
    | { readonly via: "built-here"; readonly timeoutSeconds: number }
    | { readonly via: "direct"; readonly to: string; readonly timeoutSeconds: number }
    | { readonly via: "relay"; readonly timeoutSeconds: number };
  /** What must hold before the release may stay. */
  readonly health: Probe[];
  readonly mode: SystemProfileInputs["mode"];
  /** Roll back unless we can reach the host over a new connection. */
  readonly confirm: boolean;
  /** Seconds. */
  readonly timeouts: SystemProfileInputs["timeouts"];
  /** What the host must offer before it is touched. */
  readonly preflight: Preflight;
}

/**
 * A release on a host: its closure copied, then switched to in one transaction that the host runs
 * itself. A preview says below the resources what the switch will do.
 *
 *     new Activation("choiros-prod", { host, release, copy, health, ...settings.activation });
 */
export class Activation extends pulumi.ComponentResource {
  readonly live: pulumi.Output<Live>;
  readonly drift: pulumi.Output<string[]>;
  readonly transaction: pulumi.Output<SystemProfileOutputs["transaction"]>;

  constructor(name: string, args: ActivationArgs, opts?: pulumi.ComponentResourceOptions) {
    super("choiros:index:Activation", name, {}, opts);
    const toplevel = args.release.toplevel(args.host.hostName);
    const closure = createClosure(name, args, toplevel, this);
    const system = createSystem(name, args, toplevel, closure, this);
    if (pulumi.runtime.isDryRun()) showPlan(args, toplevel, system);
    this.live = system.live;
    this.drift = system.drift;
    this.transaction = system.transaction;
    this.registerOutputs({ live: this.live, drift: this.drift });
  }
}

function createClosure(
  name: string,
  { host, release, copy, preflight }: ActivationArgs,
  path: pulumi.Output<string>,
  parent: Activation,
): Closure {
  const { timeoutSeconds, ...how } = copy;
  const transport = how.via === "built-here" ? how : { ...how, builder: release.builder };
  const { diskMarginMiB } = preflight;
  const args = { connection: host.connection, path, transport, timeoutSeconds, diskMarginMiB };
  return new Closure(`${name}-closure`, args, { parent });
}

function createSystem(
  name: string,
  { host, release, health, mode, confirm, timeouts, preflight }: ActivationArgs,
  toplevel: pulumi.Output<string>,
  closure: Closure,
  parent: Activation,
): SystemProfile {
  return new SystemProfile(
    `${name}-system`,
    {
      connection: host.connection,
      host: host.hostName,
      toplevel,
      rev: release.rev,
      subject: release.subject,
      ...(host.machineId === undefined ? {} : { machineId: host.machineId }),
      mode,
      probes: health,
      confirm,
      timeouts,
      preflight,
    },
    { parent, dependsOn: [closure] },
  );
}

function showPlan(
  args: ActivationArgs,
  toplevel: pulumi.Output<string>,
  system: SystemProfile,
): void {
  const { host, release, health } = args;
  const { rev, subject, builder } = release;
  toplevel.apply(async (path) => {
    const plan = await getPlan({
      ...{ connection: host.connection, host: host.hostName, toplevel: path },
      ...{ rev, subject, builder, probes: health },
    });
    if (plan.from !== plan.to || plan.drift.length > 0 || plan.running)
      await pulumi.log.info(plan.text, system);
  });
}
