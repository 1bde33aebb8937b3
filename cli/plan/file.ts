import { readFileSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { canonicalJson, type Json } from "../../contract/canonical-json.ts";
import { type FleetPlanDocument, fleetPlan } from "../../contract/fleet-plan.ts";
import { type PlanDocument, plan, planId } from "../../contract/plan.ts";
import { UsageError } from "../exit-code.ts";

export type AnyPlan = PlanDocument | FleetPlanDocument;

export function planText(document: AnyPlan): string {
  return `${canonicalJson(document as unknown as Json)}\n`;
}

export function savePlan(file: string, document: AnyPlan): void {
  writeFileSync(file, planText(document));
}

/** A plan of one host that was kept: what can be applied. */
export function readPlan(file: string): PlanDocument {
  const document = readAnyPlan(file);
  if (!isOfFleet(document)) return document;
  throw new UsageError(
    `${file} is the plan of a stack with many hosts, and only that of one host can be applied as it was reviewed. Nothing was touched. Run \`pulumi up --stack ${document.stack}\`, whose preview shows the plan of now.`,
  );
}

/** A plan that was kept. One that somebody has changed since is none. */
export function readAnyPlan(file: string): AnyPlan {
  const document = parsed(file);
  if (planId(document) === document.id) return document;
  throw new UsageError(
    `${file} is not the plan that it says it is: its content does not have the id ${document.id.slice(0, 12)}. Nothing was touched. Make a new one: promote plan -o ${file}`,
  );
}

export function isOfFleet(document: AnyPlan): document is FleetPlanDocument {
  return "waves" in document;
}

function parsed(file: string): AnyPlan {
  try {
    const given: unknown = JSON.parse(readFileSync(file, "utf8"));
    const hasWaves = typeof given === "object" && given !== null && "waves" in given;
    return hasWaves ? fleetPlan.parse(given) : plan.parse(given);
  } catch (error) {
    const said = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new UsageError(`${file} is no plan: ${said} Nothing was touched.`);
  }
}
