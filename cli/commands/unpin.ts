import type { Call } from "../commands.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { textOf } from "../flags.ts";
import { describePin, writePin } from "../pin.ts";
import { DEFAULT_STACK, openProject, settled, stackNamed } from "../project.ts";

export async function unpin({ flags, output, cwd }: Call): Promise<ExitCode> {
  const project = openProject(cwd);
  const stack = settled(stackNamed(project, textOf(flags, "stack") ?? DEFAULT_STACK));
  const { pin } = stack.settings;
  if (pin === undefined) output.say(`${stack.name} is not pinned; there is nothing to do.`);
  else {
    writePin(project, stack, undefined);
    output.say(
      `${stack.name} is no longer pinned to ${describePin(pin)}. Nothing on its host has changed; ` +
        `to see what will: pulumi preview --stack ${stack.name}`,
    );
  }
  output.document({ stack: stack.name, unpinned: pin ?? null });
  return EXIT.done;
}
