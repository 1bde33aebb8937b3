import type { Testimony } from "./front.ts";
import { healthyTooShort } from "./healthy-for.ts";

export interface Candidate {
  readonly name: string;
  readonly member: Testimony;
  /** The commit that it has to run. Default: any. */
  readonly rev?: string | undefined;
  readonly minHealthySeconds: number;
}

/** Sentences for an operator; in between belongs what did not happen. */
export interface Objection {
  readonly because: string;
  readonly advice: string;
}

/** Why a host is not to get public traffic, by what its stack says; undefined if it may. */
export function unfitness(
  { name, member, rev, minHealthySeconds: minimum }: Candidate,
  now = Math.floor(Date.now() / 1000),
): Objection | undefined {
  const { stack, healthy, healthySince, release } = member;
  if (!healthy || !release)
    return {
      because: `[traffic.active] ${stack} does not say that it runs ${name} healthy.`,
      advice: `Run \`pulumi up --stack ${stack}\` first.`,
    };
  if (rev !== undefined && release?.rev !== rev)
    return {
      because: `[traffic.release] ${name} is to run release ${short(rev)}, and runs ${short(release?.rev)}.`,
      advice: `Promote that to it first: \`pulumi up --stack ${stack}\`.`,
    };
  const it = `${name} runs release ${short(release?.rev)} healthy`;
  const because = healthyTooShort({ it, stack, minimum, healthySince, now });
  return because === undefined
    ? undefined
    : { because: `[traffic.minHealthySeconds] ${because}`, advice: "" };
}

interface Named {
  readonly name: string;
  readonly member: Testimony;
}

/** Why a flip from one to the other would change what people get; undefined if it would not. */
export function otherRelease(from: Named, to: Named): Objection | undefined {
  const [old, next] = [from.member.release, to.member.release];
  if (old && old.id === next?.id) return undefined;
  const other = old && old.rev === next?.rev ? "another build of it" : short(next?.rev);
  return {
    because: `[traffic.active] ${from.name} runs release ${short(old?.rev)}, and ${to.name} ${other}.`,
    advice:
      `Promote the same release to ${to.name} first (\`pulumi up --stack ${to.member.stack}\`), ` +
      "or name the one that it is to run in [traffic.release].",
  };
}

function short(rev: string | undefined): string {
  return rev?.slice(0, 12) ?? "unknown";
}
