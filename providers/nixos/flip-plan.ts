import { describeConnection } from "../../contract/connection.ts";
import { type Objection, otherRelease, unfitness } from "../../contract/fitness.ts";
import type { FrontInputs, Member, Testimony } from "../../contract/front.ts";
import * as handover from "../../contract/handover.ts";
import { Failure } from "../errors.ts";
import type { Flip, Place } from "./flip.ts";

export function targetIn({ members }: FrontInputs, name: string): string {
  const { target } = memberIn(members, name);
  return target;
}

/** Whose place it is, if it is that of a host of ours. */
export function nameIn({ members }: FrontInputs, target: string | null): string | undefined {
  return Object.entries(members).find(([, member]) => member.target === target)?.[0];
}

export function memberIn(members: FrontInputs["members"], name: string): Member {
  const member = members[name];
  if (member === undefined)
    throw new Failure("refused", `[active] ${name} is none of [members]. Nothing was changed.`);
  return member;
}

/** Refuses what the hosts' stacks speak against. Who is to be proven only has been let through before. */
export function requireFlip({ wanted, seen, from, now, to }: Flip): void {
  if (!seen.running)
    throw refused(
      {
        because: `[traffic.unit] ${wanted.unit} does not run on ${describeConnection(wanted.connection)}.`,
        advice: "Start it first.",
      },
      now,
    );
  if (from.target === to.target) return; // back, from a flip that nobody has proven
  const { members, release, minHealthySeconds } = wanted;
  const member = memberIn(members, to.name);
  const unfit = unfitness({ name: to.name, member, rev: release, minHealthySeconds });
  if (unfit !== undefined) throw refused(unfit, now);
  if (release !== undefined || from.name === undefined) return;
  const old = { name: from.name, member: memberIn(members, from.name) };
  const other = otherRelease(old, { name: to.name, member });
  if (other !== undefined) throw refused(other, now);
}

function refused({ because, advice }: Objection, now: Place): Failure {
  return new Failure("refused", `${because} ${unmoved(now)} ${advice}`.trim());
}

export function unmoved(now: Place): string {
  return `No traffic was moved: it goes to ${describePlace(now)}.`;
}

/** `prod-a (192.0.2.10:80)`. */
export function describePlace({ name, target }: Place): string {
  const place = placeText(target);
  return name === undefined ? place : handover.describePlace({ name, target: place });
}

export function placeText(target: string | null): string {
  return target ?? "nobody";
}

/** What a preview says of it. */
export function planText({ wanted, seen, from, now, to }: Flip): string {
  const { members, verify, drainSeconds, file, unit, connection } = wanted;
  const { release, examination } = memberIn(members, to.name);
  const rev = release?.rev.slice(0, 12) ?? "unknown";
  const title = seen.trial
    ? `A flip to ${describePlace(now)} was cut off, and has not been proven. Public traffic will go to ${describePlace(to)}`
    : `Public traffic goes from ${describePlace(from)} to ${describePlace(to)}`;
  const lines = [
    ["release", rev],
    ["before", `${to.name} passes ${probesText(examination)}`],
    ["move", `${file} on ${describeConnection(connection)}, which ${unit} reads again`],
    [
      "after",
      `${verify.map(({ name }) => name).join(", ")}, asked from here; if it fails, traffic goes back`,
    ],
    ...(from.target === null || drainSeconds === 0
      ? []
      : [["drain", `up to ${drainSeconds} s for what ${from.name ?? from.target} has begun`]]),
  ];
  return `${title}\n${planLines(lines)}`;
}

export function planLines(lines: readonly (readonly string[])[]): string {
  return lines.map(([key = "", text = ""]) => `  ${key.padEnd(9)} ${text}`).join("\n");
}

export function probesText(examination: Testimony["examination"]): string {
  return examination?.probes.map(({ name }) => name).join(", ") || "no probes";
}
