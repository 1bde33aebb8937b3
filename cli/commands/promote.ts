import { carryOut, requireHealthy } from "../carry-out.ts";
import { checkHistory } from "../checks/history.ts";
import { buildingOf, checkup, findingLines } from "../checkup.ts";
import type { Call } from "../commands.ts";
import { destination } from "../destination.ts";
import { EXIT, type ExitCode, Stop, UsageError } from "../exit-code.ts";
import { Facts } from "../facts.ts";
import type { Finding } from "../finding.ts";
import { isSet, textOf } from "../flags.ts";
import { type Offer, offerOf } from "../offer.ts";
import { describePin } from "../pin.ts";
import { savePlan } from "../plan/file.ts";
import { planOf } from "../plan/make.ts";
import { requireAsReviewed, reviewedPlan, stackOf } from "../plan/reviewed.ts";
import { policiesOf } from "../policies.ts";
import {
  DEFAULT_STACK,
  openProject,
  type Project,
  type SettledStack,
  settled,
  stackNamed,
} from "../project.ts";
import { changesNothing, Pulumi } from "../pulumi.ts";
import { requireYes } from "../question.ts";

/** What is to be promoted where. */
export interface Route {
  readonly target: SettledStack;
  /** The stack that builds and runs it first; undefined if the target builds itself, or takes it from elsewhere. */
  readonly source: SettledStack | undefined;
  readonly skipsSource: boolean;
}

/** Each step looks at what is there, so that it may be stopped anywhere and run again. */
export async function promote(call: Call): Promise<ExitCode> {
  const { flags, output, cwd } = call;
  const project = openProject(cwd);
  const planFile = destination(call, "save-plan");
  const reviewed = reviewedPlan(call);
  const route = routeOf(
    project,
    reviewed === undefined ? textOf(flags, "stack") : stackOf(reviewed, call, project),
    isSet(flags, "skip-grind"),
  );
  const { target, source } = route;
  requireFree(target);
  const policies = policiesOf(call, project, target);
  const pulumi = new Pulumi(project.directory, output);
  const facts = new Facts(project);

  const findings = await check(call, pulumi, facts, route);
  // What was reviewed is there already: to build anew could only make something else of it.
  if (source !== undefined && !route.skipsSource && reviewed === undefined) {
    output.heading(`Build and run on ${source.name} (${source.settings.host.name})`);
    await carryOut(pulumi, source, policiesOf(call, project, source));
  }
  if (source !== undefined) await requireHealthy(source, output);
  const offer = source === undefined ? undefined : await offerOf(pulumi, source.name);
  const history = await compareHistory(call, facts, route, offer);

  output.heading(`Preview of ${target.name} (${target.settings.host.name})`);
  const { run: preview, plan } = await planOf(pulumi, project.name, target, policies);
  if (preview.interrupted)
    throw new Stop(EXIT.interrupted, "Stopped. Nothing was changed on the way.");
  if (!preview.ok)
    throw new Stop(
      EXIT.failed,
      `The preview of ${target.name} failed: see above. Nothing was changed there.`,
    );
  const { changes, messages } = preview;
  const about = {
    ...{ stack: target.name, release: offer ?? null, findings: [...findings, ...history] },
    preview: { changes, messages },
    plan: plan ?? null,
  };
  if (plan !== undefined && planFile !== undefined) savePlan(planFile, plan);
  if (changesNothing(preview)) {
    const sight = await requireHealthy(target, output);
    output.document({ ...about, outcome: "nothing to do", sight });
    return EXIT.done;
  }
  if (reviewed !== undefined) requireAsReviewed(reviewed.plan, plan, about);
  await requireYes(`Do this on ${target.settings.host.name}?`, {
    ...{ yes: isSet(flags, "yes"), output, about },
    instead: `To go on from there: promote --stack ${target.name}${source === undefined ? "" : " --skip-grind"} --yes`,
  });
  await requireSameOffer(pulumi, route, offer);
  output.heading(`Run on ${target.name} (${target.settings.host.name})`);
  await carryOut(pulumi, target, { ...policies, env: reviewed?.env ?? {} });
  const sight = await requireHealthy(target, output);
  output.document({ ...about, outcome: "promoted", sight });
  return EXIT.done;
}

export function routeOf(project: Project, wanted: string | undefined, skipGrind: boolean): Route {
  const target = settled(stackNamed(project, wanted ?? DEFAULT_STACK));
  const { release } = target.settings;
  const found =
    release.from === "stack"
      ? project.stacks.find(({ name }) => name === release.stack)
      : undefined;
  if (skipGrind && found === undefined)
    throw new UsageError(
      `--skip-grind is for a stack that takes its release from another one of this project; ${target.name} does not.`,
    );
  const source = found === undefined ? undefined : settled(found);
  return { target, source, skipsSource: skipGrind };
}

/** A pin is there because somebody has gone back on purpose. */
function requireFree({ name, settings: { pin } }: SettledStack): void {
  if (pin === undefined) return;
  throw new Stop(
    EXIT.failed,
    `${name} is pinned to ${describePin(pin)}, so nothing was done. To let it follow again: promote unpin --stack ${name}`,
  );
}

/** The doctor's checks of the two stacks; only what is not as it should be is shown. */
async function check(
  { output }: Call,
  pulumi: Pulumi,
  facts: Facts,
  { target, source }: Route,
): Promise<Finding[]> {
  output.progress("checking hosts, builder and backend …");
  const stacks = [...(source === undefined ? [] : [source]), target];
  const all = await checkup(pulumi, facts, stacks);
  // What the branch is compared to here is compared again when it is known what grind runs.
  const findings = all.filter(({ state, about }) => state !== "ok" && about !== "history");
  const failed = findings.filter(({ state }) => state === "fail");
  if (findings.length > 0) output.heading("Checks");
  for (const line of findingLines(findings, output)) output.line(line);
  if (failed.length === 0) return findings;
  const unreachable = failed.some(({ about }) => about === "connection");
  throw new Stop(
    unreachable ? EXIT.unknown : EXIT.failed,
    `Nothing was done: ${failed.map(({ where, about, says }) => `${where}, ${about}: ${says}`).join("\n")}\n` +
      "Mend that, and run the same command again. All that was checked: promote doctor",
    { findings },
  );
}

async function compareHistory(
  { output }: Call,
  facts: Facts,
  { target }: Route,
  offer: Offer | undefined,
): Promise<Finding[]> {
  const release = buildingOf(facts, target);
  if (offer === undefined || release === undefined) return [];
  const { list } = await checkHistory(facts, target, release, offer.rev);
  const told = list.filter(({ state }) => state !== "ok");
  for (const line of findingLines(told, output)) output.line(line);
  return told;
}

/** While somebody reads the preview, the other host may have moved on. */
async function requireSameOffer(
  pulumi: Pulumi,
  { source, target }: Route,
  previewed: Offer | undefined,
): Promise<void> {
  if (source === undefined || previewed === undefined) return;
  const now = await offerOf(pulumi, source.name);
  if (now.rev === previewed.rev) return;
  throw new Stop(
    EXIT.failed,
    `${source.name} has moved on from ${previewed.rev.slice(0, 12)} to ${now.rev.slice(0, 12)} since the preview. ` +
      `Nothing was changed on ${target.name}. Run the same command again to see what that would do.`,
  );
}
