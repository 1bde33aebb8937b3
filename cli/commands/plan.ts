import { resolve } from "node:path";
import type { PlanDocument } from "../../contract/plan.ts";
import type { Call } from "../commands.ts";
import { destination } from "../destination.ts";
import { EXIT, type ExitCode, Stop, UsageError } from "../exit-code.ts";
import { isSet, operandsOf, textOf } from "../flags.ts";
import { readPlan, savePlan } from "../plan/file.ts";
import { planOf } from "../plan/make.ts";
import { planMarkdown } from "../plan/markdown.ts";
import { planLines } from "../plan/text.ts";
import { policiesOf } from "../policies.ts";
import { DEFAULT_STACK, openProject, settled, stackNamed } from "../project.ts";
import { Pulumi } from "../pulumi.ts";

/** Shows a plan: of a stack as it is now, or one that was kept. */
export async function plan(call: Call): Promise<ExitCode> {
  const { flags, output, cwd } = call;
  if (isSet(flags, "markdown") && output.json)
    throw new UsageError("--json and --markdown exclude each other.");
  const [kept] = operandsOf(flags);
  const file = destination(call, "output");
  const document = kept === undefined ? await make(call) : readPlan(resolve(cwd, kept));
  if (file !== undefined) savePlan(file, document);
  output.endProgress();
  if (isSet(flags, "markdown")) process.stdout.write(planMarkdown(document));
  else for (const line of planLines(document, output)) output.line(line);
  output.document(document);
  return EXIT.done;
}

async function make(call: Call): Promise<PlanDocument> {
  const { flags, output, cwd } = call;
  const project = openProject(cwd);
  const stack = settled(stackNamed(project, textOf(flags, "stack") ?? DEFAULT_STACK));
  output.progress(`previewing ${stack.name} (${stack.settings.host.name}) …`);
  const pulumi = new Pulumi(project.directory, output);
  const how = { ...policiesOf(call, project, stack), hidden: true };
  const { run, plan: made } = await planOf(pulumi, project.name, stack, how);
  if (run.interrupted) throw new Stop(EXIT.interrupted, "Stopped. Nothing was changed.");
  if (made !== undefined) return made;
  throw new Stop(
    EXIT.failed,
    `There is no plan for ${stack.name}, because its preview failed: see above. Nothing was changed.`,
    { messages: run.messages },
  );
}
