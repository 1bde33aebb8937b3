import { EXIT, Stop } from "./exit-code.ts";
import type { Output } from "./output.ts";
import type { SettledStack } from "./project.ts";
import type { Pulumi, Showing } from "./pulumi.ts";
import { describeLastTransaction, describeRelease, lookAt, type Sight } from "./sight.ts";
import { plain } from "./text.ts";

/** `pulumi up` of a stack; when it does not succeed, the host itself is asked what it runs. */
export async function carryOut(
  pulumi: Pulumi,
  stack: SettledStack,
  how: Showing = {},
): Promise<void> {
  const run = await pulumi.up(stack.name, how);
  if (run.ok) return;
  const sight = await lookAt(stack.settings);
  const details = {
    stack: stack.name,
    outcome: run.interrupted ? "interrupted" : "failed",
    messages: run.messages.filter(({ severity }) => severity !== "info"),
    sight,
  };
  const { name } = stack.settings.host;
  const again = "Run the same command again when it is mended.";
  if (sight.error !== null)
    throw new Stop(
      EXIT.unknown,
      `What ${name} runs is not known: ${sight.error.message} It comes to its own end by itself; promote status --stack ${stack.name} tells it.`,
      details,
    );
  const state = `${name} runs ${plain(describeRelease(sight))} (${sight.health}).`;
  if (run.interrupted) throw new Stop(EXIT.interrupted, `Stopped. ${state}`, details);
  if (!run.begun)
    throw new Stop(
      EXIT.failed,
      `Pulumi did not begin with ${stack.name}, so nothing was changed: see above. ${state} ` +
        `If the lock is that of an update which has ended or was killed: pulumi cancel --stack ${stack.name}. ${again}`,
      details,
    );
  throw new Stop(
    EXIT.failed,
    `The promotion to ${stack.name} failed: see above. ${state} ${again}`,
    details,
  );
}

/** Looks at the host itself: what Pulumi has recorded is not what it runs until that was seen. */
export async function requireHealthy(stack: SettledStack, output: Output): Promise<Sight> {
  const { name } = stack.settings.host;
  output.progress(`looking at ${name} …`);
  const sight = await lookAt(stack.settings);
  if (sight.error !== null) throw new Stop(EXIT.unknown, sight.error.message, { sight });
  if (sight.health !== "healthy")
    throw new Stop(
      EXIT.unhealthy,
      `${name} is not healthy (${sight.health}): ${sight.notes.join("; ")}. See: promote status --stack ${stack.name}`,
      { stack: stack.name, sight },
    );
  const last = sight.last === null ? "" : ` (${describeLastTransaction(sight.last)})`;
  output.line(
    `${output.paint("ok", "green")} ${name} runs ${plain(describeRelease(sight))}, healthy${plain(last)}`,
  );
  return sight;
}
