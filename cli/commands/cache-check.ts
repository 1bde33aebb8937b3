import { connectionOf } from "../../contract/ways-to-host.ts";
import { checkCaches } from "../checks/caches.ts";
import { checkDelivery } from "../checks/delivery.ts";
import { buildingOf, findingLines } from "../checkup.ts";
import type { Call } from "../commands.ts";
import { EXIT, type ExitCode, Stop } from "../exit-code.ts";
import { Facts } from "../facts.ts";
import type { Finding } from "../finding.ts";
import { Findings } from "../finding.ts";
import { textOf } from "../flags.ts";
import { DEFAULT_STACK, openProject, type SettledStack, settled, stackNamed } from "../project.ts";

export async function cacheCheck({ flags, output, cwd }: Call): Promise<ExitCode> {
  const project = openProject(cwd);
  const stack = settled(stackNamed(project, textOf(flags, "stack") ?? DEFAULT_STACK));
  output.progress(`asking ${stack.settings.host.name} for what its caches have …`);
  const findings = await findingsOf(new Facts(project), stack);
  const titles = new Map([[stack.name, `${stack.name} (${stack.host})`]]);
  for (const line of findingLines(findings, output, titles)) output.line(line);
  output.document({ stack: stack.name, findings });
  return findings.some(({ state }) => state === "fail") ? EXIT.failed : EXIT.done;
}

async function findingsOf(facts: Facts, stack: SettledStack): Promise<readonly Finding[]> {
  const { copy, host } = stack.settings;
  const { nix } = await facts.examine(connectionOf(host));
  const found = new Findings(stack.name);
  if (copy.via === "cache") found.ok("configured", copy.caches.map(({ pull }) => pull).join(", "));
  else found.ok("configured", `[copy.via] is ${copy.via}: no cache takes part in a promotion`);
  found.ok("host", `its own substituters are ${nix.substituters.join(", ") || "none"}`);
  if (copy.via !== "cache") return found.list;
  const release = buildingOf(facts, stack);
  if (release === undefined)
    throw new Stop(
      EXIT.usage,
      `What would be promoted to ${stack.name} is built by no stack of this project, so its caches cannot be asked for it.`,
    );
  const more = await Promise.all([
    checkDelivery(facts, stack, release),
    checkCaches(facts, stack, release),
  ]);
  return [...found.list, ...more.flatMap(({ list }) => list)];
}
