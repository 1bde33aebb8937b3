import { parseArgs } from "node:util";
import { type Lab, openLab } from "../lab/lab.ts";
import { LabError } from "../lab/process.ts";
import { Project } from "../lab/project.ts";
import { behindSsm, stillClosed } from "./behind-ssm.ts";
import { type Loudness, Stage } from "./stage.ts";
import { chapters } from "./story.ts";

const HELP = `Promotes releases from grind to prod, on two real hosts that it boots here.

  npm run demo               the whole story, about two minutes
  npm run demo -- --executor awsSsm
                             prod is reached over AWS SSM, takes nobody in by ssh, and fetches from a cache
  npm run demo -- --keep     leaves the hosts up, and says what to try next
  npm run demo -- --quiet    no Pulumi output, only what happens
  npm run demo -- --verbose  all of Pulumi's output

Nothing outside the lab is touched. Ctrl-C removes everything.
Exit code: 0 told to the end, 1 something was not as it should be, 2 wrong usage.`;

const options = parse(process.argv.slice(2));
if (options === undefined || options.help) {
  (options === undefined ? console.error : console.log)(HELP);
  process.exit(options === undefined ? 2 : 0);
}
process.exitCode = await demo(
  options.keep,
  options.executor === "awsSsm",
  options.quiet ? "quiet" : options.verbose ? "verbose" : "telling",
);

async function demo(keep: boolean, ssm: boolean, loudness: Loudness): Promise<number> {
  const stage = new Stage(loudness);
  stage.say(
    "Two real NixOS-like hosts on this machine: grind builds, prod only ever gets finished closures.",
  );
  let lab: Lab | undefined;
  try {
    lab = await stage.timed("boot grind and prod", () =>
      openLab({ instance: "demo", keep, ssm, log: stage.note }),
    );
    await tell(stage, lab, { keep, ssm });
    return 0;
  } catch (error) {
    stage.failed(sentenceOf(error));
    return 1;
  } finally {
    if (!keep) await lab?.close();
  }
}

async function tell(
  stage: Stage,
  lab: Lab,
  { keep, ssm }: { keep: boolean; ssm: boolean },
): Promise<void> {
  const project = new Project(lab);
  await stage.timed("make the stacks grind and prod", () => project.initStacks());
  if (ssm) await behindSsm(stage, { lab, project });
  for (const chapter of chapters) await chapter(stage, { lab, project });
  if (ssm) await stillClosed(stage, { lab });
  stage.table();
  if (keep) stage.say(whatNext(project.directory, ssm));
}

function sentenceOf(error: unknown): string {
  if (error instanceof LabError) return [error.message, error.hint].filter(Boolean).join("\n");
  return error instanceof Error ? error.message : String(error);
}

function parse(argv: string[]) {
  try {
    const { values } = parseArgs({
      args: argv,
      options: {
        executor: { type: "string", default: "ssh" },
        keep: { type: "boolean", default: false },
        quiet: { type: "boolean", default: false },
        verbose: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.executor === "ssh" || values.executor === "awsSsm") return values;
    throw new Error(`--executor is ssh or awsSsm, not ${values.executor}.`);
  } catch (error) {
    console.error(`${(error as Error).message}\n`);
    return undefined;
  }
}

function whatNext(directory: string, ssm: boolean): string {
  const look = 'ssh -F "$NIXOS_PROMOTE_SSH_CONFIG" choiros-prod systemctl status hypervisor';
  return `The lab stays up. Try next:
  eval "$(npm run -s lab -- env --instance demo)"
  export PULUMI_BACKEND_URL=file://${directory}/state && cd ${directory}
  pulumi preview --stack prod${ssm ? "" : `\n  ${look}`}
Remove it:  npm run lab -- down --instance demo`;
}
