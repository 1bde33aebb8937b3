import { readFileSync, writeFileSync } from "node:fs";
import { canonicalJson, type Json } from "../contract/canonical-json.ts";
import type { Mode } from "../contract/goal.ts";
import {
  PLAN_FILE,
  type PlannedByProgram,
  plan,
  plannedByProgram,
  REVIEWED_PLAN,
} from "../contract/plan.ts";
import { RunError } from "./pulumi.ts";
import type { PlanSummary } from "./resources.ts";

/** Gives the plan to the command that has asked for it. */
export function handOver(
  { machine: host, text, ...change }: PlanSummary,
  mode: Mode,
  release: PlannedByProgram["release"],
): void {
  const file = process.env[PLAN_FILE];
  if (!file) return;
  const planned = plannedByProgram.parse({ mode, release, host, change, text });
  writeFileSync(file, canonicalJson(planned as unknown as Json));
}

/** Only the release that was reviewed may go any further: checked before anything is registered. */
export function requireReviewed(rev: string, id: string | null): void {
  const file = process.env[REVIEWED_PLAN];
  if (!file) return;
  const { release } = plan.parse(JSON.parse(readFileSync(file, "utf8")));
  if (release.rev === rev && (release.id === id || release.id === null)) return;
  throw new RunError(
    `The release has changed since the plan was reviewed, from ${release.rev.slice(0, 12)} to ${rev.slice(0, 12)}` +
      `${release.rev === rev ? " built anew" : ""}. Nothing was touched. Make a new plan, and review that.`,
  );
}
