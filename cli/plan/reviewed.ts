import { resolve } from "node:path";
import { type PlanDocument, REVIEWED_PLAN } from "../../contract/plan.ts";
import type { Call } from "../commands.ts";
import { EXIT, Stop, UsageError } from "../exit-code.ts";
import { textOf } from "../flags.ts";
import type { Project } from "../project.ts";
import { changesSince } from "./compare.ts";
import { readPlan } from "./file.ts";

/** A plan that somebody has read, and that alone is to be done. */
interface Reviewed {
  readonly plan: PlanDocument;
  /** The program and the provider look at it, too, at the last moment. */
  readonly env: Readonly<Record<string, string>>;
}

export function reviewedPlan({ flags, cwd }: Call): Reviewed | undefined {
  const given = textOf(flags, "plan");
  if (given === undefined) return undefined;
  const file = resolve(cwd, given);
  return { plan: readPlan(file), env: { [REVIEWED_PLAN]: file } };
}

/** The stack of a plan, if it is one of this project and no other was named. */
export function stackOf({ plan }: Reviewed, { flags }: Call, { name }: Project): string {
  const stack = textOf(flags, "stack") ?? plan.stack;
  if (plan.project !== name)
    throw new UsageError(`The plan is of the project ${plan.project}, and this is ${name}.`);
  if (plan.stack === stack) return stack;
  throw new UsageError(`The plan is of the stack ${plan.stack}, not of ${stack}.`);
}

export function requireAsReviewed(
  reviewed: PlanDocument,
  now: PlanDocument | undefined,
  about: object,
): void {
  const changes = now === undefined ? ["there is no plan any more"] : changesSince(reviewed, now);
  if (changes.length === 0) return;
  throw new Stop(
    EXIT.failed,
    `What was reviewed is not what would be done now, so nothing was touched:\n${changes.map((change) => `- ${change}`).join("\n")}\n` +
      `Make a new plan, and review that: promote plan --stack ${reviewed.stack} -o FILE`,
    { ...about, changes },
  );
}
