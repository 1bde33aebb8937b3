import type { Lab } from "../lab/lab.ts";
import type { Ended, Project, StackName } from "../lab/project.ts";
import type { Stage } from "./stage.ts";

interface World {
  readonly lab: Lab;
  readonly project: Project;
}

type Chapter = (stage: Stage, world: World) => Promise<void>;

const REPOSITORY = "/opt/choiros/workspace";

export const chapters: Chapter[] = [
  async function firstRelease(stage, world) {
    stage.heading("Release A: built and run on grind, then promoted to prod");
    await up(stage, world, "grind", "A: up grind");
    await up(stage, world, "prod", "A: up prod");
    await answers(stage, world, "hypervisor 1.4.0");
  },

  async function secondRelease(stage, world) {
    stage.heading("Commit B: grind first; the preview of prod says what will happen there");
    await push(stage, world, "b");
    await up(stage, world, "grind", "B: up grind");
    const preview = await pulumi(stage, world, ["preview", "--stack", "prod"], "B: preview prod");
    stage.check(
      "the preview names the new version",
      /hypervisor: 1\.4\.0 -> 1\.5\.0/.test(preview.output),
      preview.output,
    );
    stage.check(
      "and the unit that will restart",
      /restart +.*hypervisor\.service/.test(preview.output),
      preview.output,
    );
    await answers(stage, world, "hypervisor 1.4.0");
    await up(stage, world, "prod", "B: up prod");
    await answers(stage, world, "hypervisor 1.5.0");
  },

  async function badRelease(stage, world) {
    stage.heading("Commit C: fine on grind, but on prod it answers 503");
    await push(stage, world, "c-prod");
    await up(stage, world, "grind", "C: up grind");
    const before = await runs(world);
    const failed = await pulumi(stage, world, ["up", "--yes", "--stack", "prod"], "C: up prod", 1);
    stage.check("`pulumi up` failed and says why", /503/.test(failed.output), failed.output);
    const after = await runs(world);
    stage.check("prod has gone back to B by itself", after === before, after);
    await answers(stage, world, "hypervisor 1.5.0");
    const recorded = await recordedSystem(world);
    stage.check("Pulumi's state names what prod really runs", recorded === after, recorded);
  },

  async function drift(stage, world) {
    stage.heading("Somebody changes prod by hand");
    await push(stage, world, "b", "revert to B");
    await up(stage, world, "grind", "B again: up grind");
    await up(stage, world, "prod", "B again: up prod");
    stage.command("systemctl stop container@sandbox-dev   # on prod, by hand");
    await world.lab.host("prod").must(["systemctl", "stop", "container@sandbox-dev.service"]);
    const preview = await pulumi(
      stage,
      world,
      ["preview", "--stack", "prod"],
      "drift: preview prod",
    );
    stage.check(
      "a plain preview shows it",
      /container@sandbox-dev\.service is inactive/.test(preview.output),
      preview.output,
    );
    await up(stage, world, "prod", "drift: up prod");
    const state = await world.lab
      .host("prod")
      .exec(["systemctl", "is-active", "container@sandbox-dev.service"]);
    stage.check("`pulumi up` repaired it", state.stdout.trim() === "active", state.stdout);
  },

  async function backToA(stage, world) {
    stage.heading("Back to A");
    await push(stage, world, "a", "revert to A");
    await up(stage, world, "grind", "A again: up grind");
    await up(stage, world, "prod", "A again: up prod");
    await answers(stage, world, "hypervisor 1.4.0");
  },
];

async function up(stage: Stage, world: World, stack: StackName, step: string): Promise<void> {
  await pulumi(stage, world, ["up", "--yes", "--skip-preview", "--stack", stack], step);
}

async function pulumi(
  stage: Stage,
  { project }: World,
  args: readonly string[],
  step: string,
  exit: 0 | 1 = 0,
): Promise<Ended> {
  stage.command(`pulumi ${args.join(" ")}`);
  const run = () => project.pulumi(args, { onOutput: stage.output() });
  const ended = await stage.timed(step, run, ({ output, code }) => outcomeOf(output, code));
  if ((ended.code === 0) === (exit === 0)) return ended;
  throw new Error(`pulumi ${args.join(" ")} ended with ${ended.code}.\n${ended.output}`);
}

function outcomeOf(output: string, code: number): string {
  if (code !== 0)
    return /It rolled back by itself/.test(output)
      ? "failed; the host rolled back by itself"
      : "failed";
  const counts = [...output.matchAll(/^\s+[-+~]+ (\d+ (?:to )?\w+)$/gm)].map(([, count]) => count);
  return counts.length === 0 ? "no change" : counts.join(", ");
}

/** What a push to the main branch does. */
async function push(
  stage: Stage,
  { lab }: World,
  tag: string,
  story = `push ${tag}`,
): Promise<void> {
  stage.command(`git -C ${REPOSITORY} reset --hard ${tag}   # on grind: ${story}`);
  await lab.host("grind").must(["git", "-C", REPOSITORY, "reset", "--quiet", "--hard", tag]);
}

async function answers(stage: Stage, { lab }: World, expected: string): Promise<void> {
  const url = `http://${lab.host("prod").address}/login`;
  stage.command(`curl -s ${url}`);
  const body = await fetch(url).then((answer) => answer.text());
  stage.check(`prod answers with ${expected}`, body.includes(expected), body);
}

async function runs({ lab }: World): Promise<string> {
  return (await lab.host("prod").must(["readlink", "-f", "/run/current-system"])).trim();
}

async function recordedSystem({ project }: World): Promise<string> {
  const { stdout } = await project.must(["stack", "export", "--stack", "prod"]);
  const state = JSON.parse(stdout) as {
    deployment: { resources: { type: string; outputs?: { live?: { currentSystem?: string } } }[] };
  };
  const profile = state.deployment.resources.find(
    ({ type }) => type === "nixos:index:SystemProfile",
  );
  return profile?.outputs?.live?.currentSystem ?? "nothing";
}
