import { parseArgs } from "node:util";
import { openLab } from "../lab/lab.ts";
import { Project } from "../lab/project.ts";
import { type Loudness, Stage } from "./stage.ts";
import { chapters } from "./story.ts";

const HELP = `Promotes releases from grind to prod, on two real hosts that it boots here.

  npm run demo               the whole story, about two minutes
  npm run demo -- --keep     leaves the hosts up, and says what to try next
  npm run demo -- --quiet    no Pulumi output, only what happens
  npm run demo -- --verbose  all of Pulumi's output

Nothing outside the lab is touched. Ctrl-C removes everything.
Exit: 0 told to the end, 1 something was not as it should be.`;

const { values } = parseArgs({
  options: {
    keep: { type: "boolean", default: false },
    quiet: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
process.exitCode = await demo(
  values.keep,
  values.quiet ? "quiet" : values.verbose ? "verbose" : "telling",
);

async function demo(keep: boolean, loudness: Loudness): Promise<number> {
  const stage = new Stage(loudness);
  stage.say(
    "Two real NixOS-like hosts on this machine: grind builds, prod only ever gets finished closures.",
  );
  const lab = await stage.timed("boot grind and prod", () =>
    openLab({ instance: "demo", keep, log: stage.note }),
  );
  try {
    const project = new Project(lab);
    await stage.timed("make the stacks grind and prod", () => project.initStacks());
    for (const chapter of chapters) await chapter(stage, { lab, project });
    stage.table();
    if (keep) stage.say(whatNext(project.directory));
    return 0;
  } catch (error) {
    stage.failed(error instanceof Error ? error.message : String(error));
    return 1;
  } finally {
    if (!keep) await lab.close();
  }
}

function whatNext(directory: string): string {
  return `The lab stays up. Try next:
  eval "$(npm run -s lab -- env --instance demo)"
  export PULUMI_BACKEND_URL=file://${directory}/state && cd ${directory}
  pulumi preview --stack prod
  ssh -F "$NIXOS_PROMOTE_SSH_CONFIG" choiros-prod systemctl status hypervisor
Remove it:  npm run lab -- down --instance demo`;
}
