import { readFileSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { canonicalJson, type Json } from "../../contract/canonical-json.ts";
import { type PlanDocument, plan, planId } from "../../contract/plan.ts";
import { UsageError } from "../exit-code.ts";

export function planText(document: PlanDocument): string {
  return `${canonicalJson(document as unknown as Json)}\n`;
}

export function savePlan(file: string, document: PlanDocument): void {
  writeFileSync(file, planText(document));
}

/** A plan that was kept. One that somebody has changed since is none. */
export function readPlan(file: string): PlanDocument {
  const document = parsed(file);
  if (planId(document) === document.id) return document;
  throw new UsageError(
    `${file} is not the plan that it says it is: its content does not have the id ${document.id.slice(0, 12)}. Nothing was touched. Make a new one: promote plan -o ${file}`,
  );
}

function parsed(file: string): PlanDocument {
  try {
    return plan.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (error) {
    const said = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new UsageError(`${file} is no plan: ${said} Nothing was touched.`);
  }
}
