import { readFileSync, writeFileSync } from "node:fs";
import type { z } from "zod";
import { canonicalJson, type Json } from "../contract/canonical-json.ts";
import { fleetPlannedByProgram } from "../contract/fleet-plan.ts";
import {
  PLAN_FILE,
  type PlannedByProgram,
  plan,
  plannedByProgram,
  REVIEWED_PLAN,
} from "../contract/plan.ts";
import type { WaveTold } from "./planning.ts";
import { RunError } from "./pulumi.ts";
import type { PlanSummary } from "./resources.ts";

/** Does a command ask for the plan, to keep it? */
export function isPlanKept(): boolean {
  return Boolean(process.env[PLAN_FILE]);
}

/** Gives the plan to the command that has asked for it. */
export function handOver(
  { machine: host, text, ...change }: PlanSummary,
  about: Pick<PlannedByProgram, "mode" | "release">,
): void {
  write(plannedByProgram, { ...about, host, change, text });
}

/** The same, of many hosts. */
export function handOverFleet(
  told: readonly (WaveTold | undefined)[],
  about: Pick<PlannedByProgram, "mode" | "release">,
): void {
  const waves = told.filter((one) => one !== undefined);
  const machines = waves.flatMap(({ machines = [] }) => machines);
  write(fleetPlannedByProgram, {
    ...about,
    waves: waves.map(({ machines: _machines, ...wave }) => wave),
    hosts: Object.fromEntries(machines.map((machine) => [machine.name, machine])),
  });
}

function write(schema: z.ZodType, content: object): void {
  const file = process.env[PLAN_FILE];
  if (file) writeFileSync(file, canonicalJson(schema.parse(content) as Json));
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
