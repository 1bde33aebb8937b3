import type { Cache } from "../contract/cache.ts";
import { canonicalJson } from "../contract/canonical-json.ts";
import type { Data } from "../contract/data.ts";
import type { Examinable } from "../contract/front.ts";
import type { Keep } from "../contract/keep.ts";
import { type Links, placeOf } from "../contract/links.ts";
import type { Preflight } from "../contract/preflight.ts";
import type { Probe } from "../contract/probe.ts";
import type {
  GetPlanInputs,
  Live,
  SystemProfileInputs,
  SystemProfileOutputs,
  Transport,
} from "../contract/resources.ts";
import type { Rollout } from "../contract/rollout.ts";
import type { SmokeTest } from "../contract/smoke.ts";
import type { Hooks, KnownFacts } from "./hooks.ts";
import type { Host } from "./host.ts";
import { questionOf, showPlan } from "./planning.ts";
import * as pulumi from "./pulumi.ts";
import type { Release } from "./release.ts";
import { Closure, SystemProfile } from "./resources.ts";

export interface ActivationArgs {
  readonly host: Host;
  readonly release: Release;
  /** How closures reach the host. */
  readonly copy:
    | { readonly via: "built-here"; readonly timeoutSeconds: number }
    | { readonly via: "direct"; readonly to: string; readonly timeoutSeconds: number }
    | { readonly via: "relay"; readonly timeoutSeconds: number }
    | {
        readonly via: "cache";
        readonly caches: Cache[];
        readonly trustedKeys?: string[] | undefined;
        readonly check?: "warn" | "fail" | undefined;
        readonly hostBuildFallback?: boolean | undefined;
        readonly timeoutSeconds: number;
      };
  /** What must hold before the release may stay. */
  readonly health: Probe[];
  /** What must be seen from this machine before the release is confirmed. */
  readonly smoke?: SmokeTest[] | undefined;
  /** The user's own commands, before the switch and after it. */
  readonly hooks?: Hooks | undefined;
  readonly mode: SystemProfileInputs["mode"];
  /** Which failed units make a release fail. Default: tolerant. */
  readonly unitFailures?: SystemProfileInputs["unitFailures"];
  /** `links` leaves the system as it is; with `flake` the host builds it from a checkout of its own. */
  readonly strategy: "closure" | "links" | "flake";
  /** Links outside the store to programs of the release, for units that run from there. */
  readonly links?: LinkSettings | undefined;
  /** A checkout on the host. Default of its name: the host's. */
  readonly checkout?:
    | { readonly directory: string; readonly name?: string | undefined }
    | undefined;
  /** Roll back unless we can reach the host over a new connection. */
  readonly confirm: boolean;
  /** Seconds. */
  readonly timeouts: SystemProfileInputs["timeouts"];
  /** What the host must offer before it is touched. */
  readonly preflight: Preflight;
  /** What the host keeps of releases that it has committed. */
  readonly keep: Keep;
  /** Mutable data, backed up before a release that changes it. */
  readonly data?: Data | undefined;
  /** As one of many. */
  readonly inFleet?: InFleet | undefined;
}

/** How a host goes with the others of its wave. */
export interface InFleet {
  readonly rollout: Rollout;
  /** Copies at the same time. */
  readonly copies: number;
  /** What comes before its wave. */
  readonly after: pulumi.Resource[];
  /** What comes between the last copy of the wave and the first switch. */
  readonly ready: Promise<pulumi.Resource>;
}

export interface LinkSettings {
  readonly directory: string;
  /** By the link's name. */
  readonly files: Record<string, { readonly component: string; readonly file: string }>;
  readonly restart: string[];
}

/**
 * A release on a host: its closure copied, then switched to in one transaction that the host runs
 * itself. A preview says below the resources what the switch will do.
 *
 *     new Activation("choiros-prod", { host, release, copy, health, ...settings.activation });
 */
export class Activation extends pulumi.ComponentResource {
  /** The system that it activates. */
  readonly toplevel: pulumi.Output<string> | undefined;
  readonly live: pulumi.Output<Live>;
  readonly drift: pulumi.Output<string[]>;
  /** What is as wanted, and not yet or not for long: sentences. */
  readonly pending: pulumi.Output<string[]>;
  /** It runs the release, and nothing drifts. */
  readonly healthy: pulumi.Output<boolean>;
  /** Unix seconds of its last transaction, while it is healthy. */
  readonly healthySince: pulumi.Output<number | null>;
  readonly transaction: pulumi.Output<SystemProfileOutputs["transaction"]>;
  /** How others can see for themselves that it is healthy. */
  readonly examinable: Examinable;
  readonly closures: readonly Closure[];
  readonly system: SystemProfile;
  /** In a preview, what is to be asked about it. */
  readonly question: pulumi.Output<GetPlanInputs> | undefined;

  constructor(name: string, args: ActivationArgs, opts?: pulumi.ComponentResourceOptions) {
    super("choiros:index:Activation", name, {}, opts);
    const toplevel =
      args.strategy === "links"
        ? undefined
        : args.release.toplevel(args.host.configuration, settingOf(args));
    const links = args.links && linksTo(args, args.links);
    this.toplevel = toplevel;
    this.examinable = examinableBy(args);
    const closures = createClosures(name, args, toplevel, this);
    const facts = factsOf(args, toplevel);
    const at = { parent: this, dependsOn: closures };
    const before = args.hooks?.before(name, facts, at) ?? [];
    const system = createSystem(name, args, { toplevel, links }, [...closures, ...before], this);
    runAfter(name, args, facts, system, this);
    this.closures = closures;
    this.system = system;
    if (pulumi.isDryRun() && !args.inFleet?.rollout.held) {
      this.question = questionOf(args, { toplevel, links }, transportOf(args.copy, args.release));
      if (args.inFleet === undefined) showPlan(this.question, args, system);
    }
    this.live = system.live;
    this.drift = system.drift;
    this.pending = system.pending;
    // A system that `--exclude` has left out of its first `up` has no outputs.
    this.healthy = pulumi
      .all([system.live, system.drift, toplevel])
      .apply(([live, drift, path]) => drift?.length === 0 && runs(live, path));
    this.transaction = system.transaction;
    this.healthySince = pulumi
      .all([this.healthy, system.transaction])
      .apply(([healthy, last]) => (healthy ? (last?.finishedAt ?? null) : null));
    this.registerOutputs(args.inFleet === undefined ? { live: this.live, drift: this.drift } : {});
  }
}

function examinableBy({ host, health, links }: ActivationArgs): Examinable {
  return {
    ...{ connection: host.connection, probes: health },
    ...(links === undefined ? {} : { links: placeOf(links) }),
  };
}

function settingOf({ inFleet }: ActivationArgs): string {
  return inFleet === undefined ? "host.name" : `fleet.hosts.${inFleet.rollout.host}.configuration`;
}

function factsOf(
  { host, release }: ActivationArgs,
  toplevel: pulumi.Output<string> | undefined,
): KnownFacts {
  return { host: host.hostName, rev: release.rev, subject: release.subject, toplevel };
}

/** After each transaction, so also when the same release was put right. */
function runAfter(
  name: string,
  { hooks }: ActivationArgs,
  facts: KnownFacts,
  system: SystemProfile,
  parent: Activation,
): void {
  const transaction = system.transaction.apply((last) => last?.id ?? "");
  const previousSystem = system.transaction.apply((last) => last?.previousSystem ?? "");
  hooks?.after(name, { ...facts, transaction, previousSystem }, { parent, dependsOn: [system] });
}

/** What is put on the host. */
export interface Goods {
  readonly toplevel: pulumi.Output<string> | undefined;
  readonly links: pulumi.Output<Links> | undefined;
}

function linksTo(
  { host, release }: ActivationArgs,
  { directory, files, restart }: LinkSettings,
): pulumi.Output<Links> {
  const names = [...new Set(Object.values(files).map(({ component }) => component))];
  const paths = Object.fromEntries(
    names.map((name) => [name, release.component(name, host.configuration)]),
  );
  return pulumi.output(paths).apply((shipped) => ({
    ...{ directory, restart, components: Object.values(shipped) },
    files: Object.fromEntries(
      Object.entries(files).map(([name, to]) => [name, `${shipped[to.component]}/${to.file}`]),
    ),
  }));
}

function createClosures(
  name: string,
  args: ActivationArgs,
  toplevel: Goods["toplevel"],
  parent: Activation,
): Closure[] {
  const components = Object.values(args.links?.files ?? {}).map(({ component }) => component);
  return [
    ...(toplevel === undefined || args.strategy === "flake"
      ? []
      : [createClosure(`${name}-closure`, args, toplevel, parent)]),
    ...[...new Set(components)].map((component) =>
      createClosure(
        `${name}-closure-${component}`,
        args,
        args.release.component(component, args.host.configuration),
        parent,
      ),
    ),
  ];
}

function createClosure(
  name: string,
  { host, release, copy, preflight, inFleet }: ActivationArgs,
  path: pulumi.Output<string>,
  parent: Activation,
): Closure {
  const { timeoutSeconds } = copy;
  const { diskMarginMiB } = preflight;
  const transport = transportOf(copy, release);
  const args = { connection: host.connection, path, transport, timeoutSeconds, diskMarginMiB };
  if (inFleet === undefined) return new Closure(name, args, { parent });
  const rollout = { ...inFleet.rollout, maxInFlight: inFleet.copies };
  return new Closure(name, { ...args, rollout }, { parent, dependsOn: inFleet.after });
}

function transportOf(
  { timeoutSeconds: _seconds, ...how }: ActivationArgs["copy"],
  { builder }: Release,
): Transport {
  if (how.via === "built-here") return how;
  return builder === undefined ? { via: "built-here" } : { ...how, builder };
}

function createSystem(
  name: string,
  args: ActivationArgs,
  { toplevel, links }: Goods,
  first: pulumi.Resource[],
  parent: Activation,
): SystemProfile {
  const { host, release, health, smoke, mode, unitFailures = "tolerant" } = args;
  const { strategy, checkout, confirm, timeouts, preflight, keep, data, inFleet } = args;
  return new SystemProfile(
    `${name}-system`,
    {
      connection: host.connection,
      host: host.hostName,
      ...(strategy === "closure" ? {} : { strategy }),
      ...(toplevel === undefined ? {} : { toplevel }),
      ...(checkout === undefined
        ? {}
        : {
            checkout: { directory: checkout.directory, name: checkout.name ?? host.configuration },
          }),
      ...(links === undefined ? {} : { links }),
      rev: release.rev,
      subject: release.subject,
      ...(host.machineId === undefined ? {} : { machineId: host.machineId }),
      mode,
      probes: health,
      unitFailures,
      ...(smoke === undefined ? {} : { smoke }),
      confirm,
      timeouts,
      preflight,
      keep,
      ...(data === undefined ? {} : { data }),
      manifest: release
        .manifestOf(inFleet && host.configuration)
        .apply((manifest) => canonicalJson(manifest)),
      ...(inFleet === undefined ? {} : { rollout: inFleet.rollout }),
    },
    { parent, dependsOn: inFleet === undefined ? first : together(first, inFleet) },
  );
}

/** The others of the wave have their closures too. */
async function together(first: pulumi.Resource[], { ready }: InFleet): Promise<pulumi.Resource[]> {
  return [...first, await ready];
}

function runs(live: Live, toplevel: string | undefined): boolean {
  return toplevel === undefined || live.currentSystem === toplevel;
}
