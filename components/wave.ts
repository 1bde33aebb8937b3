import type { Member } from "../contract/fleet.ts";
import type { Rollout } from "../contract/rollout.ts";
import { Activation, type ActivationArgs } from "./activation.ts";
import { Host } from "./host.ts";
import { type How, showWavePlan, type WaveTold } from "./planning.ts";
import * as pulumi from "./pulumi.ts";
import { Gate } from "./resources.ts";
import type { PlannedWave } from "./waves.ts";

export interface WaveArgs {
  readonly plan: PlannedWave;
  readonly rev: string;
  readonly limits: Omit<Rollout, "host" | "wave" | "held">;
  /** How closures reach the hosts, and how many at the same time. */
  readonly copy: How & { readonly maxInFlight: number };
  /** What a host is to run, and how. */
  readonly activate: (member: Member) => Omit<ActivationArgs, "host" | "inFleet">;
  readonly isHeld: (member: Member) => boolean;
  /** The gate of the wave before. */
  readonly after: pulumi.Resource[];
}

/**
 * Hosts of a fleet that go together: all get the closure, then all are switched, then all soak.
 *
 *     closures ─> ready ─> systems ─> settled ─> the closures of the next wave
 */
export class Wave extends pulumi.ComponentResource {
  readonly activations: Readonly<Record<string, Activation>>;
  readonly settled: pulumi.Resource;
  /** In a preview, what is told of it. */
  readonly told: Promise<WaveTold | undefined>;

  constructor(name: string, args: WaveArgs, opts?: pulumi.ComponentResourceOptions) {
    super("choiros:index:Wave", name, {}, opts);
    let setReady: (gate: pulumi.Resource) => void = () => {};
    const ready = new Promise<pulumi.Resource>((resolve) => {
      setReady = resolve;
    });
    const all = args.plan.hosts.map((member) => createHost(member, args, ready, this));
    this.activations = Object.fromEntries(
      all.map((activation, index) => [args.plan.hosts[index]?.name ?? "", activation]),
    );
    setReady(createReady(name, args, all, this));
    this.settled = createSettled(name, args, this.activations, this);
    this.told = this.tell(args);
    this.registerOutputs({});
  }

  private async tell({ plan, copy }: WaveArgs): Promise<WaveTold | undefined> {
    if (!pulumi.isDryRun()) return undefined;
    const { name, soakSeconds } = plan;
    return { name, soakSeconds, ...(await showWavePlan(this.activations, copy, this)) };
  }
}

function createHost(
  member: Member,
  { plan, limits, copy, activate, isHeld, after }: WaveArgs,
  ready: Promise<pulumi.Resource>,
  parent: Wave,
): Activation {
  const { name } = member;
  const held = isHeld(member) ? { held: true as const } : {};
  const rollout = { host: name, wave: plan.name, ...limits, ...held };
  const host = new Host(name, member, { parent });
  const inFleet = { rollout, copies: copy.maxInFlight, after, ready };
  return new Activation(name, { ...activate(member), host, inFleet }, { parent });
}

function createReady(
  name: string,
  args: WaveArgs,
  all: readonly Activation[],
  parent: Wave,
): pulumi.Resource {
  const dependsOn = [...args.after, ...all.flatMap(({ closures }) => closures)];
  const inputs = { stage: "ready" as const, soakSeconds: 0, ...whose(name, args) };
  return new Gate(`${name}-ready`, inputs, { parent, dependsOn });
}

function createSettled(
  name: string,
  args: WaveArgs,
  activations: Readonly<Record<string, Activation>>,
  parent: Wave,
): pulumi.Resource {
  const after = Object.fromEntries(
    Object.entries(activations).map(([host, { transaction }]) => [
      host,
      transaction.apply((last) => last?.id ?? ""),
    ]),
  );
  const { soakSeconds } = args.plan;
  const inputs = { stage: "settled" as const, soakSeconds, ...whose(name, args) };
  const dependsOn = Object.values(activations).map(({ system }) => system);
  return new Gate(
    `${name}-settled`,
    { ...inputs, after: pulumi.all(after) },
    { parent, dependsOn },
  );
}

function whose(name: string, { plan, rev, limits, isHeld }: WaveArgs) {
  const held = plan.hosts.every(isHeld) ? { held: true as const } : {};
  const hosts = plan.hosts.map((member) => member.name);
  return { hosts, rev, rollout: { wave: name, ...limits, ...held } };
}
