import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

export interface Previewed {
  readonly run: Run;
  /** Undefined if the preview did not come so far. */
  readonly plan: PlanDocument | undefined;
}

/** A preview of a stack, with its plan as the program hands it over. Nothing on any host changes. */
export async function planOf(
  pulumi: Pulumi,
  project: string,
  { name, settings }: SettledStack,
  how: Showing,
): Promise<Previewed> {
  const directory = mkdtempSync(join(tmpdir(), "nixos-promote-plan-"));
  const file = join(directory, "plan");
  try {
    const run = await pulumi.preview(name, { ...how, env: { ...how.env, [PLAN_FILE]: file } });
    const planned = run.ok ? read(file, settings.host.name) : undefined;
    return { run, plan: planned && documentOf(planned, { project, stack: name, run }) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function read(file: string, host: string): PlannedByProgram {
  try {
    return plannedByProgram.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (error) {
    throw new Stop(
      EXIT.failed,
      `The preview says no plan for ${host}: ${(error as Error).message} Is start.ts the program of this project, and of the same version?`,
    );
  }
}

function documentOf(
  planned: PlannedByProgram,
  { project, stack, run }: { project: string; stack: string; run: Run },
): PlanDocument {
  const { free: _free, ...copy } = planned.change.copy as PlannedByProgram["change"]["copy"] & {
    free?: number;
  };
  const document = {
    ...planned,
    change: { ...planned.change, copy },
    ...{ schema: 1 as const, createdAt: Math.floor(Date.now() / 1000) },
    ...{ project, stack, resources: { ...run.changes } },
  };
  return { ...document, id: planId(document) };
}
