import { connectionOf } from "../contract/ways-to-host.ts";
import { detourOf } from "../providers/executors/index.ts";
import type { Reporter } from "../providers/nixos/engine.ts";
import { interruption } from "../providers/nixos/interruption.ts";
import { worksAlone } from "../providers/nixos/operator.ts";
import { EXIT } from "./exit-code.ts";
import type { Output } from "./output.ts";
import type { SettledStack } from "./project.ts";
import { plain } from "./text.ts";

/** Says that the fallback is used and why, if it is. */
export function tellDetour({ settings }: SettledStack, output: Output): void {
  const detour = detourOf(connectionOf(settings.host));
  if (detour !== undefined) output.say(plain(detour));
}

/** From here on a job of the host is ours, as under Pulumi: Ctrl-C asks the host to stop; a second one leaves it alone with that. */
export function workAlone({ name }: SettledStack, output: Output): Reporter {
  worksAlone(name);
  const onSignal = () => {
    if (interruption.happened) process.exit(EXIT.interrupted);
    interruption.happen();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  const say = (message: string) => output.say(plain(message));
  return { info: say, warn: say, progress: (message) => output.progress(plain(message)) };
}
