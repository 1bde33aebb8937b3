// A push to main, and what the jobs of the fleet's workflow do then: on the bastion, by its key, host by host.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Instance } from "../../lab/instance.ts";
import { type Lab, type LabHost, openLab } from "../../lab/lab.ts";
import { ask } from "../nixos/nix.ts";
import { type JobEnded, readWorkflow, runWorkflow } from "../support/actions.ts";
import { Bastion, EXAMPLE } from "./bastion.ts";
import {
  ALL,
  BUILDS_FROM,
  becomeNixos,
  type CACHES,
  keepTheKey,
  serveCaches,
  serveRepositories,
  stacks,
  writeTheFleet,
} from "./fleet-network.ts";
import { invocations, pointers, touched } from "./world.ts";

const TARGETS = ["attic", "desk", "media"] as const;

describe("a fleet that is updated by a push", function () {
  this.timeout(600_000);
  const workflow = readWorkflow(readFileSync(`${EXAMPLE}deploy.yml`, "utf8"));
  let lab: Lab;
  let bastion: Bastion;
  let laptop: LabHost;
  let targets: LabHost[];

  before("a bastion, three hosts behind it, and somebody outside who may push", async () => {
    const instance = process.env.TEST_LAB ?? "test";
    const used = new Instance(instance).read() !== undefined;
    lab = await openLab({ instance, hosts: ["grind", ...TARGETS, "laptop"], log: console.error });
    if (used) await Promise.all(lab.hosts.map((host) => host.reset()));
    const grind = lab.host("grind");
    laptop = lab.host("laptop");
    targets = TARGETS.map((name) => lab.host(name));
    const hub = "git://choiros-grind/hub.git";
    bastion = new Bastion(
      grind,
      hub,
      ask("fleet.bastion.services.github-runners.bastion.serviceOverrides"),
    );
    await Promise.all([
      becomeNixos(grind, targets).then(() => keepTheKey(grind)),
      serveRepositories(grind),
      serveCaches(grind),
      bastion.install(),
    ]);
    await bastion.initStacks(stacks());
    await writeTheFleet(laptop, grind, hub);
  });

  after("the lab goes", () => lab?.close());

  /** What a push comes to: its commit, and all jobs. */
  async function push(
    file: string,
    from: string,
    to: string,
    onJob?: (id: string, host: string | undefined) => Promise<void>,
  ): Promise<{ sha: string; jobs: Record<string, JobEnded> }> {
    const text = await laptop.must(["cat", `/root/fleet/${file}`]);
    assert.ok(text.includes(from), `${file} does not hold ${from}`);
    await laptop.must(["tee", `/root/fleet/${file}`], { input: text.replace(from, to) });
    await git("add", "--all");
    await git("commit", "--quiet", "-m", `${file}: ${to}`);
    await git("push", "--quiet", "origin", "HEAD:main");
    return jobsOf((await git("rev-parse", "HEAD")).trim(), onJob);
  }

  async function jobsOf(
    sha: string,
    onJob?: (id: string, host: string | undefined) => Promise<void>,
  ) {
    const jobs = await runWorkflow(workflow, bastion.runner({ sha, ...(onJob && { onJob }) }));
    return { sha, jobs };
  }

  const git = (...argv: string[]) => laptop.must(["git", "-C", "/root/fleet", ...argv]);

  it("01 is reached from outside by nothing but a push: no key is there, and no host lets anybody in", async () => {
    const found = await laptop.must(["find", "/root", "/home", "/etc/ssh", "-name", "id_*"]);
    assert.equal(found, "");
    for (const host of ["grind", ...TARGETS]) {
      const argv = [
        "ssh",
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=accept-new",
        host,
        "true",
      ];
      const ran = await laptop.exec(argv);
      assert.match(ran.stderr, /Permission denied \(publickey/, host);
    }
    // Nor does the runner's account hold one: it is given to its jobs.
    const runner = ["setpriv", "--reuid=github-runner", "--regid=github-runner", "--clear-groups"];
    for (const file of ["/var/lib/nixos-promote/keys/deploy", "/root/.ssh/authorized_keys"])
      assert.notEqual((await bastion.host.exec([...runner, "cat", file])).code, 0, file);
    assert.doesNotMatch(readFileSync(`${EXAMPLE}deploy.yml`, "utf8"), /ssh[_-]?key|SSH_/i);
  });

  it("02 the first push: built once, brought to all, and only then switched to by all", async () => {
    const before = await Promise.all(targets.map(pointers));
    let reached = false;
    const { sha, jobs } = await push(
      "common.nix",
      "# release",
      'environment.etc.release.text = "1";',
      async (id, host) => {
        if (id !== "switch" || host !== TARGETS[0]) return;
        reached = true;
        assert.deepEqual(
          await Promise.all(targets.map(pointers)),
          before,
          "one has switched already",
        );
        for (const target of targets)
          await target.must(["nix-store", "--check-validity", await toplevel(target)]);
      },
    );
    assert.deepEqual(resultsOf(jobs), all("success"), told(jobs));
    assert.ok(reached);
    for (const target of targets)
      assert.equal((await pointers(target)).currentSystem, await toplevel(target, sha));
    assert.equal((await bastion.host.must(["cat", "/etc/release"])).trim(), "1");
    for (const host of ALL)
      assert.match(
        jobs["report"]?.said["Say what each host runs now, and how it is"] ?? "",
        new RegExp(`^${host} +${host} +healthy .*${sha.slice(0, 12)}`, "m"),
      );
  });

  it("03 it was built by one job, on the bastion", async () => {
    assert.equal((await jobsOn(bastion.host, "build")).length, 1);
    for (const target of targets) assert.deepEqual(await jobsOn(target, "build"), []);
  });

  it("04 every byte came from the cache inside, and none from the one outside, which has it too", async () => {
    for (const target of targets) {
      const { inner, outer } = await fetched(target);
      assert.ok(inner.bytes > 1000 && inner.nars > 3, `${target.name}: ${JSON.stringify(inner)}`);
      assert.equal(outer.nars, 0, target.name);
    }
  });

  it("05 the same push once more: nothing is built, fetched or touched", async () => {
    const before = await Promise.all(targets.map(invocations));
    const counted = await Promise.all(targets.map(fetched));
    const sha = (await git("rev-parse", "HEAD")).trim();
    const { jobs } = await jobsOf(sha);
    assert.deepEqual(resultsOf(jobs), all("success"), told(jobs));
    for (const [index, target] of targets.entries()) {
      assert.deepEqual(touched(before[index] ?? {}, await invocations(target)), []);
      assert.deepEqual((await fetched(target)).inner.nars, counted[index]?.inner.nars);
    }
    assert.equal((await jobsOn(bastion.host, "build")).length, 1);
  });

  it("06 one host cannot run its release: it goes back, the others take it, and the report says both", async () => {
    const was = await pointers(lab.host("media"));
    const { sha, jobs } = await push("media.nix", "{\n", BROKEN);
    assert.deepEqual(
      resultsOf(jobs),
      { ...all("success"), "switch media": "failure", report: "failure" },
      told(jobs),
    );
    assert.match(
      jobs["switch media"]?.said["Switch"] ?? "",
      /media did not take release .*library\.service/s,
    );
    assert.match(jobs["switch media"]?.said["Switch"] ?? "", /It rolled back by itself/);
    assert.deepEqual(await pointers(lab.host("media")), was);
    for (const name of ["attic", "desk"])
      assert.equal(
        (await pointers(lab.host(name))).currentSystem,
        await toplevel(lab.host(name), sha),
      );
    const report = jobs["report"]?.said["Say what each host runs now, and how it is"] ?? "";
    for (const name of ["attic", "bastion", "desk"])
      assert.match(report, new RegExp(`^${name} +${name} +healthy .*${sha.slice(0, 12)}`, "m"));
    assert.match(
      report,
      /^media +media +healthy .*\n(?: .*\n)* *! the last transaction rolled-back/m,
    );
    assert.doesNotMatch(report, new RegExp(`^media .*${sha.slice(0, 12)}`, "m"));
    assert.equal(jobs["report"]?.failedAt, "Fail if not all of them took it");
  });

  it("07 one host cannot be reached: it gets no closure, so none switches, and the report says who", async () => {
    const before = await Promise.all(targets.map(pointers));
    await lab.host("desk").cutNetwork();
    const { jobs } = await push("media.nix", BROKEN, "{\n");
    await lab.host("desk").restoreNetwork();
    assert.deepEqual(
      resultsOf(jobs),
      {
        ...{
          build: "success",
          "push attic": "success",
          "push desk": "failure",
          "push media": "cancelled",
        },
        ...{
          "switch attic": "skipped",
          "switch desk": "skipped",
          "switch media": "skipped",
          report: "failure",
        },
      },
      told(jobs),
    );
    assert.deepEqual(await Promise.all(targets.map(pointers)), before);
    assert.match(
      jobs["report"]?.said["Say what each host runs now, and how it is"] ?? "",
      /^desk +desk +unreachable/m,
    );
  });

  it("08 the cache inside is away: the one outside has it all", async () => {
    await bastion.host.must(["systemctl", "stop", "cache-inner"]);
    const before = await Promise.all(targets.map(fetched));
    const { sha, jobs } = await push("common.nix", 'release.text = "1"', 'release.text = "2"');
    assert.deepEqual(resultsOf(jobs), all("success"), told(jobs));
    for (const [index, target] of targets.entries()) {
      assert.equal((await pointers(target)).currentSystem, await toplevel(target, sha));
      assert.ok((await fetched(target)).outer.nars > (before[index]?.outer.nars ?? 0), target.name);
    }
  });

  /** What a commit is for a host; by default what the bastion builds from now. */
  async function toplevel(host: LabHost, sha?: string): Promise<string> {
    const rev =
      sha ?? (await bastion.host.must(["git", "-C", BUILDS_FROM, "rev-parse", "main"])).trim();
    const attribute = `nixosConfigurations.${host.shortName}.config.system.build.toplevel.outPath`;
    const flake = `git+file://${BUILDS_FROM}?rev=${rev}#${attribute}`;
    return (await bastion.host.must(["nix", "eval", "--raw", flake])).trim();
  }

  /** What a host has had from each cache, as the servers have logged it. */
  async function fetched(host: LabHost) {
    const of = async (cache: keyof typeof CACHES) => {
      const log = await bastion.host.must(["cat", `/var/log/cache-${cache}.json`]);
      const mine = log
        .split("\n")
        .filter(Boolean)
        .map(
          (line) =>
            JSON.parse(line) as {
              request: { remote_ip: string; uri: string };
              status: number;
              size: number;
            },
        )
        .filter(({ request, status }) => request.remote_ip === host.address && status === 200);
      const nars = mine.filter(({ request }) => request.uri.startsWith("/nar/"));
      return { nars: nars.length, bytes: nars.reduce((sum, { size }) => sum + size, 0) };
    };
    return { inner: await of("inner"), outer: await of("outer") };
  }
});

const BROKEN =
  '{\n  systemd.services.library = { wantedBy = [ "multi-user.target" ]; serviceConfig = { Type = "oneshot"; ExecStart = "/bin/false"; }; };\n';

async function jobsOn(host: LabHost, kind: string): Promise<string[]> {
  const said = await host.must([
    "bash",
    "-c",
    "ls /var/lib/nixos-promote/jobs 2>/dev/null || true",
  ]);
  return said.split("\n").filter((name) => name.startsWith(`${kind}-`));
}

const resultsOf = (jobs: Readonly<Record<string, JobEnded>>) =>
  Object.fromEntries(Object.entries(jobs).map(([name, { result }]) => [name, result]));

const all = (result: string) =>
  Object.fromEntries(
    [
      "build",
      ...TARGETS.map((host) => `push ${host}`),
      ...TARGETS.map((host) => `switch ${host}`),
      "report",
    ].map((name) => [name, result]),
  );

const told = (jobs: Readonly<Record<string, JobEnded>>) =>
  Object.entries(jobs)
    .filter(([, { result }]) => result === "failure")
    .map(([name, { failedAt, said }]) => `${name}, ${failedAt}:\n${said[failedAt ?? ""]}`)
    .join("\n");
