import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { z } from "zod";
import { parse } from "../../cli/arguments.ts";
import { COMMANDS } from "../../cli/commands.ts";

const yaml: { load(text: string): unknown } = createRequire(import.meta.url)("js-yaml");
const ROOT = join(import.meta.dirname, "../..");

const step = z.object({
  uses: z.string().optional(),
  run: z.string().optional(),
  with: z.record(z.string(), z.unknown()).optional(),
});

const COMMENTS = "pull-requests: write";
const permissions = z.record(z.string(), z.string()).optional();

const workflow = z.object({
  on: z.record(z.string(), z.unknown()),
  permissions,
  concurrency: z.object({ group: z.string(), "cancel-in-progress": z.boolean() }),
  jobs: z.record(
    z.string(),
    z.object({
      environment: z.string().optional(),
      permissions,
      "timeout-minutes": z.number().optional(),
      steps: z.array(step),
    }),
  ),
});

export type Workflow = z.infer<typeof workflow>;
type Job = Workflow["jobs"][string];

export function readWorkflow(text: string): Workflow {
  return workflow.parse(yaml.load(text));
}

/** What a workflow has that none of ours may have. */
export function complaints(text: string): string[] {
  const { permissions, jobs } = readWorkflow(text);
  const all = Object.values(jobs);
  const steps = all.flatMap((job) => job.steps);
  return [
    ...(JSON.stringify(permissions) === '{"contents":"read"}' ? [] : ["permissions: too many"]),
    ...all.flatMap((job) => tooMuch(job.permissions ?? {})),
    ...all.flatMap(carelessWriter),
    ...all.flatMap((job) => (job["timeout-minutes"] === undefined ? ["no time limit"] : [])),
    ...steps.flatMap((step) => (step.uses === undefined ? [] : wrongAction(step.uses))),
    ...steps
      .filter(({ uses }) => uses?.startsWith("actions/checkout@"))
      .flatMap((step) => (step.with?.["persist-credentials"] === false ? [] : ["token left"])),
    ...[...text.matchAll(/secrets\.(\w+)/g)]
      .map(([, name]) => name)
      .filter((name) => name !== "PULUMI_CONFIG_PASSPHRASE")
      .map((name) => `secret ${name}`),
    ...steps.flatMap(({ run }) => (run === undefined ? [] : wrongScript(run))),
  ];
}

const ALLOWED = ["contents: read", "id-token: write", COMMENTS];

/** Whoever may write to a pull request has nothing of it that runs: no checkout, no role, no command of ours. */
function carelessWriter({ permissions, steps }: Job): string[] {
  const may = Object.entries(permissions ?? {}).map(([what, how]) => `${what}: ${how}`);
  if (!may.includes(COMMENTS)) return [];
  const trusted =
    may.length === 1 &&
    steps.every(
      ({ uses, run }) =>
        uses === undefined &&
        commandsOf(run ?? "").every(([name]) => name === "printf" || name === "gh"),
    );
  return trusted ? [] : ["a job that may write to pull requests does more than that"];
}

function tooMuch(given: Readonly<Record<string, string>>): string[] {
  return Object.entries(given)
    .map(([what, how]) => `${what}: ${how}`)
    .filter((permission) => !ALLOWED.includes(permission))
    .map((permission) => `permission ${permission}`);
}

const ACTIONS = ["checkout", "upload-artifact"].map((name) => `actions/${name}`);

function wrongAction(uses: string): string[] {
  const [name = "", commit = ""] = uses.split("@");
  if (![...ACTIONS, "aws-actions/configure-aws-credentials"].includes(name))
    return [`unknown action ${name}`];
  return /^[0-9a-f]{40}$/.test(commit) ? [] : [`${name} is pinned to no commit`];
}

function wrongScript(script: string): string[] {
  const pasted = script.includes("${{") ? ["an expression in a script: use env"] : [];
  return [...pasted, ...commandsOf(script).flatMap(wrongCommand)];
}

/** Commands of a script as simple as ours, each in words; a variable stands for some word. */
export function commandsOf(script: string): string[][] {
  return script
    .replaceAll("\\\n", " ")
    .split(/\n|\||&&|;|\$\(|\)/)
    .map((part) => part.replaceAll(/\d?>>?(&\d|\s*"[^"]*"|\s*\S+)/g, " "))
    .map((part) => part.match(/'[^']*'|[^\s"']+|"[^"]+"/g) ?? [])
    .map((words) => words.map((word) => word.replaceAll(/["']/g, "").replace(/^\$\w+$/, "prod")))
    .filter((words) => words.length > 0);
}

const SHELL = [
  "[[",
  "cat",
  "code=$?",
  "eval",
  "exit",
  "gh",
  "mkdir",
  "printf",
  "sed",
  "tee",
  "true",
];

function wrongCommand([command = "", ...args]: string[]): string[] {
  switch (command) {
    case "npm":
      return args[0] === "run" && hasScript(args[1] ?? "") ? [] : [`no npm ${args.join(" ")}`];
    case "npx":
      return args[0] === "promote" ? refusalOf(args.slice(1)) : [`no npx ${args[0]}`];
    case "pulumi":
      return unknownToPulumi(args);
    case "bash":
      return existsSync(join(ROOT, args[0] ?? "")) ? [] : [`no file ${args[0]}`];
    default:
      return SHELL.includes(command) ? [] : [`no command ${command}`];
  }
}

function hasScript(name: string): boolean {
  const { scripts }: { scripts: object } = JSON.parse(
    readFileSync(join(ROOT, "package.json"), "utf8"),
  );
  return Object.hasOwn(scripts, name);
}

function refusalOf(args: string[]): string[] {
  try {
    parse(args, COMMANDS);
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}

const helpOfPulumi = new Map<string, string>();

/** Of a command that it does not have, Pulumi shows the help of itself. */
function unknownToPulumi([command = "", ...args]: string[]): string[] {
  const help = helpOfPulumi.get(command) ?? askPulumi(command);
  helpOfPulumi.set(command, help);
  if (!help.includes(`  pulumi ${command} `)) return [`no pulumi ${command}`];
  const known = new Set(help.match(/--[a-z][a-z-]*/g));
  return args
    .filter((word) => word.startsWith("-") && !known.has(word))
    .map((option) => `pulumi ${command} takes no ${option}`);
}

function askPulumi(command: string): string {
  return spawnSync("pulumi", [command, "--help"], { encoding: "utf8" }).stdout;
}
