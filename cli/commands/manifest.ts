import { manifest as schema } from "../../contract/manifest.ts";
import { formatManifestEnv, manifestEnvOf } from "../../contract/manifest-env.ts";
import type { Settings } from "../../settings.ts";
import type { Call } from "../commands.ts";
import { deliveryOf } from "../deliver.ts";
import { EXIT, type ExitCode, Stop } from "../exit-code.ts";
import { Facts } from "../facts.ts";
import { textOf } from "../flags.ts";
import { keptManifest } from "../kept-manifest.ts";
import { find, pastOf, readLedger } from "../ledger.ts";
import { DEFAULT_STACK, openProject, type SettledStack, settled, stackNamed } from "../project.ts";
import { Pulumi } from "../pulumi.ts";
import { releasesInHistory } from "../stack-history.ts";

export async function manifest(given: Call): Promise<ExitCode> {
  const { flags, output, cwd } = given;
  const { format, deliver } = deliveryOf(given);
  const project = openProject(cwd);
  const stack = settled(stackNamed(project, textOf(flags, "stack") ?? DEFAULT_STACK));
  const { name } = stack.settings.host;
  output.progress(`asking ${name} …`);
  const older = () => releasesInHistory(new Pulumi(project.directory, output), project, stack);
  const past = await find(pastOf(await readLedger(stack)), textOf(flags, "to") ?? "0", older);
  const text = await keptManifest(project, stack, past, older);
  if (text === undefined)
    throw new Stop(
      EXIT.failed,
      `The manifest of ${past.rev.slice(0, 12)} is kept neither on ${name}, nor where it was built, nor in Pulumi's history.`,
    );
  const source = new Facts(project).buildingStack(stack) ?? stack;
  const told = format === "env" ? asEnv(text, stack, source) : `${text.trimEnd()}\n`;
  deliver(told, `release ${past.rev.slice(0, 12)}`);
  return EXIT.done;
}

function asEnv(text: string, { settings }: SettledStack, source: SettledStack): string {
  const { release } = source.settings;
  try {
    return formatManifestEnv(
      manifestEnvOf(schema.parse(JSON.parse(text)), {
        host: settings.host.name,
        repo: release.from === "build" ? release.repo : "/",
        files: {
          sandbox: fileOf(settings, "sandbox"),
          hypervisor: fileOf(settings, "hypervisor"),
          desktop: fileOf(settings, "desktop"),
        },
      }),
    );
  } catch (error) {
    throw new Stop(
      EXIT.failed,
      `The release cannot be told as lines of KEY=value, which know the programs sandbox, hypervisor and desktop: ${(error as Error).message}`,
    );
  }
}

/** As it is linked, or else as programs are usually called. */
function fileOf({ activation }: Settings, component: string): string {
  const links = Object.values(activation.links?.files ?? {});
  return links.find((link) => link.component === component)?.file ?? `bin/${component}`;
}
