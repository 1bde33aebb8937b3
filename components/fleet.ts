import {
  type FleetSettings,
  type Member,
  membersOf,
  type Selection,
  selects,
} from "../contract/fleet.ts";
import type { Probe } from "../contract/probe.ts";
import type { SmokeTest } from "../contract/smoke.ts";
import type { Activation, ActivationArgs } from "./activation.ts";
import { mapValues } from "./map-values.ts";
import { handOverFleet } from "./plan-file.ts";
import * as pulumi from "./pulumi.ts";
import type { Release } from "./release.ts";
import { Wave } from "./wave.ts";
import { mostUnavailable, planWaves } from "./waves.ts";

type Each = Omit<
  ActivationArgs,
  "host" | "release" | "copy" | "health" | "smoke" | "hooks" | "inFleet"
>;
type Copy = ActivationArgs["copy"];
type WithoutTo<T> = T extends { readonly via: "direct" } ? Omit<T, "to"> : T;

export interface FleetArgs extends Each {
  readonly fleet: FleetSettings;
  /** The others are left alone. Default: nobody is. */
  readonly only?: Selection | undefined;
  /** One for all. */
  readonly release: Release;
  readonly copy: WithoutTo<Copy> & { readonly maxInFlight: number };
  /** Of hosts whose role has none of its own. */
  readonly health: Probe[];
  readonly smoke?: SmokeTest[] | undefined;
}

/**
 * Many hosts, which take one release wave by wave.
 *
 *     new Fleet("fleet", { ...settings, ...settings.activation, release });
 */
export class Fleet extends pulumi.ComponentResource {
  readonly activations: Readonly<Record<string, Activation>>;
  /** By host: what it runs, and whether that is the release and nothing drifts. */
  readonly glance: Readonly<Record<string, object>>;
  /** All run the release, and nothing drifts. */
  readonly healthy: pulumi.Output<boolean>;
  /** Unix seconds of the last transaction of all, while all are healthy. */
  readonly healthySince: pulumi.Output<number | null>;

  constructor(name: string, args: FleetArgs, opts?: pulumi.ComponentResourceOptions) {
    super("choiros:index:Fleet", name, {}, opts);
    const { fleet, only = {} } = args;
    const members = membersOf(fleet);
    const maxUnavailable = mostUnavailable(fleet.maxUnavailable, Object.keys(members).length);
    const limits = {
      ...{ onFailure: fleet.onFailure, maxInFlight: fleet.maxInFlight },
      ...(maxUnavailable === undefined ? {} : { maxUnavailable }),
    };
    const waves: Wave[] = [];
    for (const plan of planWaves(fleet, members)) {
      const previous = waves.at(-1)?.settled;
      const wave = { plan, limits, isHeld: (member: Member) => !selects(only, member) };
      const activate = (member: Member) => activationOf(member, args);
      const after = previous === undefined ? [] : [previous];
      waves.push(
        new Wave(
          plan.name,
          { ...wave, rev: args.release.rev, activate, after, copy: args.copy },
          { parent: this },
        ),
      );
    }
    if (pulumi.isDryRun()) keepPlan(waves, args);
    this.activations = Object.assign({}, ...waves.map((wave) => wave.activations));
    const all = Object.values(this.activations);
    this.glance = mapValues(this.activations, ({ live, healthy }) => ({
      runs: live.apply(({ currentSystem }) => currentSystem),
      healthy,
    }));
    this.healthy = pulumi
      .all(all.map(({ healthy }) => healthy))
      .apply((each) => each.every((healthy) => healthy));
    this.healthySince = pulumi
      .all(all.map(({ healthySince }) => healthySince))
      .apply((each) => (each.includes(null) ? null : Math.max(...each.map((at) => at ?? 0))));
    this.registerOutputs({ healthy: this.healthy });
  }
}

/** Gives the plan of all waves to the command that has asked for it. */
async function keepPlan(waves: readonly Wave[], { release, mode }: FleetArgs): Promise<void> {
  const told = await Promise.all(waves.map((wave) => wave.told));
  const { rev, subject, knownId: id } = release;
  handOverFleet(told, { mode, release: { rev, subject, id } });
}

/** What a host gets of the settings of all, and of those of its role. */
function activationOf(
  member: Member,
  { fleet, copy, health, smoke, ...args }: FleetArgs,
): Omit<ActivationArgs, "host" | "inFleet"> {
  const role = fleet.roles[member.role ?? ""];
  const { maxInFlight: _copies, ...how } = copy;
  return {
    ...args,
    copy: how.via === "direct" ? { ...how, to: member.address ?? member.name } : how,
    health: role?.health ?? health,
    smoke: role?.smoke ?? smoke,
  };
}
