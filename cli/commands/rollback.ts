import { carryOut, requireHealthy } from "../carry-out.ts";
import type { Call } from "../commands.ts";
import { rollBackAlone } from "../emergency.ts";
import { EXIT, type ExitCode, Stop } from "../exit-code.ts";
import { isSet, textOf } from "../flags.ts";
import { choose, find, type Past, pastOf, readLedger } from "../ledger.ts";
import type { Output } from "../output.ts";
import { describePin, writePin } from "../pin.ts";
import { pinFor } from "../pin-for.ts";
import { policiesOf } from "../policies.ts";
import { DEFAULT_STACK, openProject, type SettledStack, settled, stackNamed } from "../project.ts";
import { changesNothing, Pulumi, type Showing } from "../pulumi.ts";
import { requireYes } from "../question.ts";
import { releasesInHistory } from "../stack-history.ts";
import { plain } from "../text.ts";

/** Back to a release that the host has committed before: pinned, previewed, and run as any other. */
export async function rollback({ flags, output, cwd }: Call): Promise<ExitCode> {
  const project = openProject(cwd);
  const stack = settled(stackNamed(project, textOf(flags, "stack") ?? DEFAULT_STACK));
  const { name } = stack.settings.host;
  output.progress(`asking ${name} what it ran before …`);
  const [told, to] = [pastOf(await readLedger(stack)), textOf(flags, "to")];
  const yes = isSet(flags, "yes");
  if (isSet(flags, "emergency")) {
    const past = choose(told, to);
    tell(past, name, output);
    return rollBackAlone({ project, stack, past, output, yes });
  }
  const pulumi = new Pulumi(project.directory, output);
  const older = () => releasesInHistory(pulumi, project, stack);
  const past = await find(told, to, older);
  tell(past, name, output);
  const pin = await pinFor(project, stack, past, older);
  const takeBack = writePin(project, stack, pin);
  output.say(`${stack.file} is pinned to ${describePin(pin)}.`);
  const { recorded: _manifest, ...target } = past;
  const about = { stack: stack.name, to: target, pin };
  const policies = policiesOf({ flags, cwd }, project, stack);
  const done = await previewed(pulumi, stack, { output, yes, to, policies }).catch((error) => {
    takeBack();
    output.say("The pin was taken back.");
    throw error;
  });
  if (!done) {
    output.heading(`Run on ${stack.name} (${name})`);
    await carryOut(pulumi, stack, policies);
  }
  const sight = await requireHealthy(stack, output);
  output.say(
    `${stack.name} stays pinned to it, whatever its [release] says, until: promote unpin --stack ${stack.name}`,
  );
  output.document({ ...about, outcome: done ? "nothing to do" : "rolled back", sight });
  return EXIT.done;
}

function tell(
  { back, rev, subject, at, valid, recorded }: Past,
  host: string,
  output: Output,
): void {
  const when = new Date(at * 1000).toISOString().slice(0, 16).replace("T", " ");
  const source =
    recorded === undefined
      ? ""
      : " Its ledger does not have that any more; Pulumi's own history does.";
  output.say(
    `${host} goes back to ${rev.slice(0, 12)} ${plain(subject)}, which it has committed at ${when}Z (${back} back).${source}` +
      (valid === false
        ? " Its system is no longer in the host's store, and comes there again first."
        : ""),
  );
}

/** Shows what the way back will do, and asks; answers whether there is nothing to do. */
async function previewed(
  pulumi: Pulumi,
  stack: SettledStack,
  {
    output,
    yes,
    to,
    policies,
  }: { output: Output; yes: boolean; to: string | undefined; policies: Showing },
): Promise<boolean> {
  const { name } = stack.settings.host;
  output.heading(`Preview of ${stack.name} (${name})`);
  const preview = await pulumi.preview(stack.name, policies);
  if (preview.interrupted) throw new Stop(EXIT.interrupted, "Stopped. Nothing was changed.");
  if (!preview.ok)
    throw new Stop(
      EXIT.failed,
      `The preview of ${stack.name} failed: see above. Nothing was changed there.`,
      {
        messages: preview.messages,
      },
    );
  if (changesNothing(preview)) return true;
  const where = to === undefined ? "" : ` --to ${to}`;
  await requireYes(`Do this on ${name}?`, {
    ...{ yes, output },
    about: { stack: stack.name, preview: { changes: preview.changes, messages: preview.messages } },
    instead: `To do it: promote rollback --stack ${stack.name}${where} --yes`,
  });
  return false;
}
