import { writeFileSync } from "node:fs";
import type { History } from "../../contract/ledger.ts";
import { Failure } from "../../providers/errors.ts";
import type { Call } from "../commands.ts";
import { destination } from "../destination.ts";
import { EXIT, type ExitCode, UsageError } from "../exit-code.ts";
import { isSet, operandsOf, textOf } from "../flags.ts";
import {
  DEFAULT_STACK,
  openProject,
  type Project,
  type SettledStack,
  settled,
  stackNamed,
} from "../project.ts";
import { chooseRecord, sameRelease } from "../report/choice.ts";
import {
  type HostReport,
  hostReport,
  type ReportDocument,
  readRecords,
  unreached,
} from "../report/document.ts";
import { reportMarkdown } from "../report/markdown.ts";
import { reportPage } from "../report/page.ts";
import { reportLines } from "../report/text.ts";

/** What a release did, from the records of the hosts themselves. */
export async function report(call: Call): Promise<ExitCode> {
  const { flags, output } = call;
  if (isSet(flags, "markdown") && output.json)
    throw new UsageError("--json and --markdown exclude each other.");
  const file = destination(call, "html");
  const document = await collect(call);
  if (file !== undefined) writeFileSync(file, reportPage(document));
  output.endProgress();
  if (isSet(flags, "markdown")) process.stdout.write(reportMarkdown(document));
  else for (const line of reportLines(document, output)) output.line(line);
  if (file !== undefined) output.line(`report: ${textOf(flags, "html")}`);
  output.document(document);
  return document.hosts.some(({ error }) => error !== null) ? EXIT.unknown : EXIT.done;
}

async function collect({ flags, output, cwd }: Call): Promise<ReportDocument> {
  const project = openProject(cwd);
  const stack = settled(stackNamed(project, textOf(flags, "stack") ?? leading(project)));
  output.progress(`asking ${stack.settings.host.name} …`);
  const history = await readRecords(stack);
  const record = chooseRecord(history, operandsOf(flags)[0]);
  const others = textOf(flags, "stack") === undefined ? othersOf(project, stack) : [];
  const hosts = await Promise.all([
    hostReport(stack, history, record),
    ...others.map((other) => reportOf(other, (told) => sameRelease(told, record))),
  ]);
  const { rev = null, subject = null } = record.release ?? {};
  return {
    ...{ schema: 1, createdAt: Math.floor(Date.now() / 1000), project: project.name },
    release: { rev, subject },
    // Of the others, those that have it, and those that cannot be asked.
    hosts: hosts.filter((one, index) => index === 0 || one.record !== null || one.error !== null),
  };
}

/** The stack that is meant where none is named, as far as there is one of that name. */
function leading({ stacks }: Project): string {
  const known = stacks.some(({ name }) => name === DEFAULT_STACK);
  return known ? DEFAULT_STACK : (stacks[0]?.name ?? DEFAULT_STACK);
}

function othersOf({ stacks }: Project, { name }: SettledStack): SettledStack[] {
  return stacks.flatMap((stack) =>
    stack.settings === undefined || stack.name === name ? [] : [settled(stack)],
  );
}

async function reportOf(
  stack: SettledStack,
  choose: (history: History) => ReturnType<typeof sameRelease>,
): Promise<HostReport> {
  try {
    const history = await readRecords(stack);
    return await hostReport(stack, history, choose(history));
  } catch (error) {
    if (error instanceof Failure) return unreached(stack, error.message);
    throw error;
  }
}
