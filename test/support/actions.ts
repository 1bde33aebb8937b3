// As much of GitHub Actions as the workflows in nixos/examples use: jobs that need others, a matrix of hosts, conditions.
import { createRequire } from "node:module";
import { z } from "zod";

const yaml: { load(text: string): unknown } = createRequire(import.meta.url)("js-yaml");

const variables = z.record(z.string(), z.string()).default({});

const step = z.object({
  name: z.string(),
  uses: z.string().optional(),
  with: z.record(z.string(), z.unknown()).optional(),
  run: z.string().optional(),
});
export type Step = z.infer<typeof step>;

const workflow = z.object({
  on: z.object({ push: z.object({ branches: z.array(z.string()) }) }),
  concurrency: z.object({ "cancel-in-progress": z.boolean() }),
  env: variables,
  jobs: z.record(
    z.string(),
    z.object({
      needs: z.union([z.string().transform((one) => [one]), z.array(z.string())]).default([]),
      if: z.literal("${{ always() }}").optional(),
      "runs-on": z.array(z.string()),
      strategy: z
        .object({
          "fail-fast": z.boolean().default(true),
          matrix: z.object({ host: z.array(z.string()) }),
        })
        .optional(),
      env: variables,
      steps: z.array(step),
    }),
  ),
});
export type Workflow = z.infer<typeof workflow>;

export function readWorkflow(text: string): Workflow {
  return workflow.parse(yaml.load(text));
}

export interface StepEnded {
  readonly code: number;
  readonly output: string;
}

export interface Runner {
  /** What `${{ vars.… }}` and `${{ secrets.… }}` are. */
  readonly values: Readonly<Record<string, string>>;
  /** A fresh place for a job, which is told what its steps have written. */
  job(id: string, host: string | undefined): Promise<void>;
  step(step: Step, env: Readonly<Record<string, string>>): Promise<StepEnded>;
}

export type Result = "success" | "failure" | "cancelled" | "skipped";

export interface JobEnded {
  readonly result: Result;
  readonly failedAt?: string;
  /** What each step said, by its name. */
  readonly said: Readonly<Record<string, string>>;
}

/** What became of a push: every job, those of a matrix as `job host`, one after the other, as a single runner takes them. */
export async function runWorkflow(
  { env, jobs }: Workflow,
  runner: Runner,
): Promise<Record<string, JobEnded>> {
  const ended: Record<string, JobEnded> = {};
  const results: Record<string, Result> = {};
  for (const [id, job] of Object.entries(jobs)) {
    const goes = job.if !== undefined || job.needs.every((need) => results[need] === "success");
    const fast = job.strategy?.["fail-fast"] ?? true;
    let broken = false;
    for (const host of job.strategy?.matrix.host ?? [undefined]) {
      const name = host === undefined ? id : `${id} ${host}`;
      const known = {
        ...runner.values,
        ...resultsOf(results),
        ...(host && { "matrix.host": host }),
      };
      if (!goes) ended[name] = { result: "skipped", said: {} };
      else if (broken && fast) ended[name] = { result: "cancelled", said: {} };
      else {
        await runner.job(id, host);
        ended[name] = await runJob(job.steps, fill({ ...env, ...job.env }, known), runner);
      }
      broken ||= ended[name]?.result === "failure";
    }
    results[id] = goes ? (broken ? "failure" : "success") : "skipped";
  }
  return ended;
}

async function runJob(
  steps: readonly Step[],
  env: Readonly<Record<string, string>>,
  runner: Runner,
): Promise<JobEnded> {
  const said: Record<string, string> = {};
  for (const each of steps) {
    const { code, output } = await runner.step(each, env);
    said[each.name] = output;
    if (code !== 0) return { result: "failure", failedAt: each.name, said };
  }
  return { result: "success", said };
}

function resultsOf(results: Readonly<Record<string, Result>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(results).map(([id, result]) => [`needs.${id}.result`, result]),
  );
}

function fill(
  env: Readonly<Record<string, string>>,
  known: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).map(([name, text]) => [
      name,
      text.replaceAll(/\$\{\{ ([\w.]+) \}\}/g, (_, expression: string) => {
        const value = known[expression];
        if (value === undefined) throw new Error(`Nobody knows what ${expression} is.`);
        return value;
      }),
    ]),
  );
}
