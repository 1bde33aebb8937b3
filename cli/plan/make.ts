import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { z } from "zod";
import { type FleetPlanDocument, fleetPlannedByProgram } from "../../contract/fleet-plan.ts";
import {
  PLAN_FILE,
  type PlanDocument,
  type PlannedByProgram,
  planId,
  plannedByProgram,
} from "../../contract/plan.ts";
import { EXIT, Stop } from "../exit-code.ts";
import type { SettledStack } from "../project.ts";
import type { Pulumi, Run, Showing } from "../pulumi.ts";

export interface Previewed<Document> {
  readonly run: Run;
  /** Undefined if the preview did not come so far. */
  readonly plan: Document | undefined;
}

/** A preview of a stack, with its plan as the program hands it over. Nothing on any host changes. */
export async function planOf(
  pulumi: Pulumi,
  project: string,
  { name: stack }: Pick<SettledStack, "name">,
  how: Showing,
): Promise<Previewed<PlanDocument>> {
  const { run, planned } = await preview(pulumi, stack, how, plannedByProgram);
  if (planned === undefined) return { run, plan: undefined };
  const { free: _free, ...copy } = planned.change.copy as PlannedByProgram["change"]["copy"] & {
    free?: number;
  };
  const change = { ...planned.change, copy };
  return { run, plan: documentOf({ ...planned, change }, { project, stack, run }) };
}

/** The same, of many hosts. */
export async function fleetPlanOf(
  pulumi: Pulumi,
  project: string,
  { name: stack }: Pick<SettledStack, "name">,
  how: Showing,
): Promise<Previewed<FleetPlanDocument>> {
  const { run, planned } = await preview(pulumi, stack, how, fleetPlannedByProgram);
  return { run, plan: planned && documentOf(planned, { project, stack, run }) };
}

async function preview<Planned>(
  pulumi: Pulumi,
  stack: string,
  how: Showing,
  schema: z.ZodType<Planned>,
): Promise<{ run: Run; planned: Planned | undefined }> {
  const directory = mkdtempSync(join(tmpdir(), "nixos-promote-plan-"));
  const file = join(directory, "plan");
  try {
    const run = await pulumi.preview(stack, { ...how, env: { ...how.env, [PLAN_FILE]: file } });
    return { run, planned: run.ok ? read(file, stack, schema) : undefined };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function read<Planned>(file: string, stack: string, schema: z.ZodType<Planned>): Planned {
  try {
    return schema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (error) {
    throw new Stop(
      EXIT.failed,
      `The preview says no plan for ${stack}: ${(error as Error).message} Is start.ts the program of this project, and of the same version?`,
    );
  }
}

function documentOf<Planned extends object>(
  planned: Planned,
  { project, stack, run }: { project: string; stack: string; run: Run },
) {
  const document = {
    ...planned,
    ...{ schema: 1 as const, createdAt: Math.floor(Date.now() / 1000) },
    ...{ project, stack, resources: { ...run.changes } },
  };
  return { ...document, id: planId(document) };
}
