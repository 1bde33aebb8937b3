// A push to main, then what the runner does: the steps of the workflow in nixos/examples, as they stand there.
import assert from "node:assert/strict";
import { copyFileSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { type Ran, run } from "../../lab/process.ts";
import { runMark } from "../../lab/runs.ts";
import {
  assertRuns,
  eventually,
  invocations,
  pointers,
  REPOSITORY,
  touched,
  World,
} from "./world.ts";

const yaml: { load(text: string): unknown } = createRequire(import.meta.url)("js-yaml");
const EXAMPLE = fileURLToPath(new URL("../../nixos/examples/push-to-switch/", import.meta.url));
const HUB = "/opt/choiros/hub.git";
const CHECKOUT = "/opt/choiros/deploy-repo";

const Workflow = z.object({
  on: z.object({ push: z.object({ branches: z.array(z.string()) }) }),
  concurrency: z.object({ "cancel-in-progress": z.boolean() }),
  jobs: z.object({
    switch: z.object({
      env: z.record(z.string(), z.string()),
      steps: z.array(
        z.object({ name: z.string(), uses: z.string().optional(), run: z.string().optional() }),
      ),
    }),
  }),
});

interface Job {
  readonly failedAt: string | undefined;
  readonly said: Record<string, string>;
}

describe("push to switch", function () {
  this.timeout(300_000);
  const workflow = Workflow.parse(yaml.load(readFileSync(`${EXAMPLE}deploy.yml`, "utf8")));
  let world: World;
  let developer: (...argv: string[]) => Promise<string>;

  before("a repository that people push to, and a checkout of it on prod", async () => {
    world = await World.open();
    copyFileSync(`${EXAMPLE}Pulumi.prod.yaml`, world.project.stackFile("prod"));
    world.configure("prod", REPOSITORY, HUB);
    world.configure("prod", /deadlineSeconds: \d+/g, "deadlineSeconds: 20");
    const { grind, prod } = world;
    await grind.must(["git", "clone", "--quiet", "--bare", REPOSITORY, HUB]);
    await grind.must(["git", "clone", "--quiet", HUB, "/root/developer"]);
    developer = (...argv) => grind.must(["git", "-C", "/root/developer", ...argv]);
    // The hub's own server, so that prod fetches over the network.
    await grind.must(
      [
        "systemd-run",
        "--quiet",
        "--unit=git-daemon",
        "--setenv=HOME=/root",
        "git",
        "daemon",
      ].concat(["--export-all", "--base-path=/opt/choiros", "/opt/choiros"]),
    );
    const clone = ["git", "clone", "--quiet", "--no-tags", "git://choiros-grind/hub.git", CHECKOUT];
    await eventually("git answers", async () => (await prod.exec(clone)).code === 0);
  });

  after("the lab goes", () => world?.close());

  /** Pushes a revision to main, as a developer does; its commit. */
  async function push(revision: string): Promise<string> {
    await developer("push", "--quiet", "--force", "origin", `${revision}^{commit}:refs/heads/main`);
    return (await developer("rev-parse", `${revision}^{commit}`)).trim();
  }

  /** What a runner does with a push: one step after the other, until one fails. */
  async function job(sha: string): Promise<Job> {
    const { env, steps } = workflow.jobs.switch;
    const said: Record<string, string> = {};
    for (const step of steps) {
      if (step.run === undefined || step.run === "npm ci") continue;
      const ran = await bash(step.run, { ...env, GITHUB_SHA: sha });
      said[step.name] = `${ran.stdout}${ran.stderr}`;
      if (ran.code !== 0) return { failedAt: step.name, said };
    }
    return { failedAt: undefined, said };
  }

  function bash(script: string, env: Record<string, string>): Promise<Ran> {
    const { lab, project } = world;
    const state = { PULUMI_BACKEND_URL: `file://${project.directory}/state`, ...runMark(lab.dir) };
    return run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script], {
      cwd: project.directory,
      env: { ...(process.env as Record<string, string>), ...lab.env, ...state, ...env },
      timeout: 150_000,
    });
  }

  const head = async () =>
    (await world.prod.must(["git", "-C", CHECKOUT, "rev-parse", "HEAD"])).trim();
  /** What prod's checkout builds at a commit. */
  const toplevel = async (sha: string) =>
    (
      await world.grind.must(
        ["nix", "eval", "--raw"].concat(
          `git+file://${HUB}?rev=${sha}#nixosConfigurations.choiros-prod.config.system.build.toplevel.outPath`,
        ),
      )
    ).trim();

  it("is started by a push to main, and no job breaks another one off", () => {
    assert.deepEqual(workflow.on.push.branches, ["main"]);
    assert.equal(workflow.concurrency["cancel-in-progress"], false);
    const left = workflow.jobs.switch.steps.filter(
      ({ run }) => run === undefined || run === "npm ci",
    );
    assert.equal(left.length, 2, "only what gets the program is not run here");
  });

  it("01 a push: prod fetches exactly that revision, builds it, switches, and is healthy", async () => {
    const sha = await push("a");
    const { failedAt, said } = await job(sha);
    assert.equal(failedAt, undefined, JSON.stringify(said));
    assert.equal(await head(), sha);
    await assertRuns(world.prod, await toplevel(sha));
    assert.equal(said["The services run"], "active\nactive\nactive\n");
    assert.equal((await world.login(world.prod)).status, 200);
  });

  it("02 the same push again: nothing is touched", async () => {
    const before = await invocations(world.prod);
    const { failedAt, said } = await job(await head());
    assert.equal(failedAt, undefined, JSON.stringify(said));
    assert.deepEqual(touched(before, await invocations(world.prod)), []);
  });

  it("03 main moves on while the job waits: the revision that was pushed is taken all the same", async () => {
    const sha = await push("b");
    await push("c-503");
    const { failedAt, said } = await job(sha);
    assert.equal(failedAt, undefined, JSON.stringify(said));
    assert.equal(await head(), sha);
    assert.match((await world.login(world.prod)).body, /hypervisor 1\.5\.0/);
  });

  it("04 a push whose hypervisor answers 503: prod goes back by itself, and so does its checkout", async () => {
    const [before, was] = [await pointers(world.prod), await head()];
    const { failedAt, said } = await job(await push("c-503"));
    assert.equal(failedAt, "Switch");
    assert.match(said["Switch"] ?? "", /did not take release [0-9a-f]{12}: .*503/);
    assert.match(said["Switch"] ?? "", /It rolled back by itself/);
    assert.match(said["Switch"] ?? "", /== Journal of hypervisor\.service/);
    assert.deepEqual([await pointers(world.prod), await head()], [before, was]);
  });

  it("05 a push that needs a secret: refused while it is missing, and taken once it is there", async () => {
    const before = await invocations(world.prod);
    const sha = await push("secrets");
    const refused = await job(sha);
    assert.equal(refused.failedAt, "Switch");
    assert.match(refused.said["Switch"] ?? "", /\/opt\/choiros\/secrets\/platform\.env/);
    assert.deepEqual(touched(before, await invocations(world.prod)), []);

    await world.prod.must([
      ...["bash", "-c"],
      "mkdir -p /opt/choiros/secrets /run/choiros/credentials; echo KEY=1 >/opt/choiros/secrets/platform.env; echo 1 >/run/choiros/credentials/api_key",
    ]);
    const { failedAt, said } = await job(sha);
    assert.equal(failedAt, undefined, JSON.stringify(said));
    assert.equal(
      said["The hypervisor has its environment files"]?.split("\n")[0],
      "EnvironmentFiles=/opt/choiros/secrets/platform.env (ignore_errors=no)",
    );
  });

  it("06 a push with a service that still points at installed binaries: refused, by its name, before anything is built", async () => {
    const [before, was] = [await invocations(world.prod), await head()];
    const { failedAt, said } = await job(await push("installed"));
    assert.equal(failedAt, "Show what changes");
    assert.match(
      said[failedAt ?? ""] ?? "",
      /Not run from the store, but from \/opt\/choiros\/bin: hypervisor\.service\. Point ExecStart at the package/,
    );
    assert.deepEqual(touched(before, await invocations(world.prod)), []);
    assert.equal(await head(), was);
  });
});
