import type { Description } from "../../../contract/description.ts";
import { Goal, type Mode } from "../../../contract/goal.ts";
import type { HostState } from "../../../contract/host-state.ts";
import type { Links } from "../../../contract/links.ts";
import type { AccountChanges, EtcChanges } from "../../../contract/plan.ts";
import type { Probe } from "../../../contract/probe.ts";
import type { SmokeTest } from "../../../contract/smoke.ts";
import { describeRunning } from "../last-transaction.ts";
import type { Source } from "../sources.ts";
import { accountChanges } from "./accounts.ts";
import { holdsAfter } from "./conditions.ts";
import { etcChanges } from "./etc.ts";
import { type PackageChange, packageChanges } from "./packages.ts";
import { type UnitChanges, unitChanges } from "./units.ts";

/** What putting a release on a host will do, known before anything is touched. */
export interface Plan {
  readonly host: string;
  readonly rev: string;
  readonly subject: string;
  readonly fromRev: string | null;
  readonly from: string | null;
  readonly to: string | null;
  /** False: the release is not built yet, so only paths and drift are known. */
  readonly built: boolean;
  readonly packages: PackageChange[];
  readonly copy: {
    readonly paths: number;
    readonly bytes: number;
    /** What is free for them on the host. */
    readonly free?: number;
    /** By which way, in words. */
    readonly way?: string;
    /** What comes from which binary cache. */
    readonly sources?: Source[];
    /** Sentences; what is wrong with the caches. */
    readonly problems?: string[];
  };
  readonly units: UnitChanges;
  /** Null: not known. */
  readonly users: AccountChanges | null;
  readonly groups: AccountChanges | null;
  readonly etc: EtcChanges | null;
  /** Sentences; what takes effect only after a reboot. */
  readonly reboot: string[];
  readonly probes: string[];
  /** Tests from the operator's machine. */
  readonly smoke?: string[];
  readonly drift: string[];
  /** When and how it takes effect, where that is not at once and for good. */
  readonly effect: string | null;
  /** Sentences; what has been done and waits. */
  readonly pending: string[];
  readonly links: LinkChange[];
  /** Units that run from the links. */
  readonly restart: string[];
  /** A transaction that runs on the host now, in a sentence. */
  readonly running: string | null;
}

export interface LinkChange {
  readonly name: string;
  readonly from: string | null;
  readonly to: string;
}

const NO_UNITS: UnitChanges = { stop: [], start: [], restart: [], reload: [], keep: [] };

export interface Seen {
  readonly host: string;
  readonly rev: string;
  readonly subject: string;
  readonly to: string | null;
  readonly mode: Mode;
  readonly state: HostState;
  readonly probes: readonly Probe[];
  readonly smoke?: readonly SmokeTest[] | undefined;
  readonly drift: string[];
  readonly pending: string[];
  readonly links?: Links | undefined;
  readonly relinked: LinkChange[];
}

export function unknownPlan(seen: Seen): Plan {
  return {
    ...{ host: seen.host, rev: seen.rev, subject: seen.subject },
    fromRev: revOf(seen.state),
    from: seen.state.currentSystem,
    to: seen.to,
    built: false,
    packages: [],
    copy: { paths: 0, bytes: 0 },
    units: NO_UNITS,
    ...{ users: null, groups: null, etc: null },
    reboot: [],
    probes: seen.probes.map(({ name }) => name),
    ...(seen.smoke === undefined ? {} : { smoke: seen.smoke.map(({ name }) => name) }),
    drift: seen.drift,
    effect: Goal.of(seen.mode).effect ?? null,
    pending: seen.pending,
    links: seen.relinked,
    restart: seen.relinked.length === 0 ? [] : (seen.links?.restart ?? []),
    running: seen.state.last?.state === "running" ? describeRunning(seen.state.last) : null,
  };
}

export function knownPlan(
  seen: Seen,
  before: Description,
  after: Description,
  copy: Plan["copy"],
): Plan {
  return {
    ...unknownPlan(seen),
    built: true,
    packages: packageChanges(without(seen.state.currentSystem, before), without(seen.to, after)),
    copy,
    units: unitChanges(before.units, after.units, before.states, holdsAfter(before, after)),
    users: accountChanges(before.accounts, after.accounts, "users"),
    groups: accountChanges(before.accounts, after.accounts, "groups"),
    etc: etcChanges(before.etc, after.etc),
    reboot: rebootReasons(before, after),
  };
}

/** The system's own path has a row of its own. */
function without(toplevel: string | null, { closure }: Description): Description["closure"] {
  return closure.filter(([path]) => path !== toplevel);
}

function rebootReasons(before: Description, after: Description): string[] {
  const reasons: string[] = [];
  if (before.kernel !== after.kernel)
    reasons.push("the kernel changes: it runs after the next reboot");
  if (before.initrd !== after.initrd)
    reasons.push("the initrd changes: it is used at the next reboot");
  if (before.kernelParams !== after.kernelParams) reasons.push("the kernel parameters change");
  if (before.initInterface !== after.initInterface)
    reasons.push("the init interface changes: a live switch will be refused (exit 100)");
  if (before.inhibitors !== after.inhibitors)
    reasons.push("the switch inhibitors change: a live switch may be refused");
  return reasons;
}

export function revOf({ ledger }: HostState): string | null {
  const release = ledger?.release;
  const rev =
    typeof release === "object" && release !== null && "rev" in release ? release.rev : ledger?.rev;
  return typeof rev === "string" ? rev : null;
}
