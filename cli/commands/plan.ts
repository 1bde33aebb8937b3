import { resolve } from "node:path";
import type { Call } from "../commands.ts";
import { destination } from "../destination.ts";
import { EXIT, type ExitCode, Stop, UsageError } from "../exit-code.ts";
import { isSet, operandsOf, textOf } from "../flags.ts";
import { type AnyPlan, isOfFleet, readAnyPlan, savePlan } from "../plan/file.ts";
import { fleetPlanMarkdown } from "../plan/fleet-markdown.ts";
import { fleetPlanLines } from "../plan/fleet-text.ts";
import { fleetPlanOf, planOf } from "../plan/make.ts";
import { planMarkdown } from "../plan/markdown.ts";
import { planLines } from "../plan/text.ts";
import { policiesOf } from "../policies.ts";
import { DEFAULT_STACK, openProject, type Stack, settled, stackNamed } from "../project.ts";
import { Pulumi } from "../pulumi.ts";

/** Shows a plan: of a stack as it is now, or one that was kept. */
export async function plan(call: Call): Promise<ExitCode> {
  const { flags, output, cwd } = call;
  if (isSet(flags, "markdown") && output.json)
    throw new UsageError("--json and --markdown exclude each other.");
  const [kept] = operandsOf(flags);
  const file = destination(call, "output");
  const document = kept === undefined ? await make(call) : readAnyPlan(resolve(cwd, kept));
  if (file !== undefined) savePlan(file, document);
  output.endProgress();
  if (isSet(flags, "markdown"))
    process.stdout.write(
      isOfFleet(document) ? fleetPlanMarkdown(document) : planMarkdown(document),
    );
  else {
    const lines = isOfFleet(document)
      ? fleetPlanLines(document, output)
      : planLines(document, output);
    for (const line of lines) output.line(line);
  }
  output.document(document);
  return EXIT.done;
}

async function make(call: Call): Promise<AnyPlan> {
  const { flags, output, cwd } = call;
  const project = openProject(cwd);
  const stack = stackNamed(project, textOf(flags, "stack") ?? DEFAULT_STACK);
  const many = stack.members !== undefined;
  const { name, settings } = many ? { ...stack, settings: {} } : settled(stack);
  output.progress(`previewing ${name} (${hostsText(stack)}) …`);
  const pulumi = new Pulumi(project.directory, output);
  const how = { ...policiesOf(call, project, { settings }), hidden: true };
  const make = many ? fleetPlanOf : planOf;
  const { run, plan: made } = await make(pulumi, project.name, stack, how);
  if (run.interrupted) throw new Stop(EXIT.interrupted, "Stopped. Nothing was changed.");
  if (made !== undefined) return made;
  throw new Stop(
    EXIT.failed,
    `There is no plan for ${name}, because its preview failed: see above. Nothing was changed.`,
    { messages: run.messages },
  );
}

function hostsText({ host, members }: Stack): string {
  return members === undefined ? host : `${members.length} hosts`;
}
