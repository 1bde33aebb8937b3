// The system repository: the same everywhere, and every revision is what its subject says.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Lab, type LabHost, openLab } from "../../lab/lab.ts";
import { must, type Ran, until } from "../../lab/process.ts";
import { names } from "./switch-host.ts";

const makeRepo = fileURLToPath(new URL("../../lab/nixos/make-repo.sh", import.meta.url));
const workspace = "/var/lib/switch-test/workspace";
const health = "http://127.0.0.1:9090/health";

describe("lab system repository", function () {
  this.timeout(120_000);
  let lab: Lab;
  let host: LabHost;
  let directory = "";

  before(async () => {
    lab = await openLab({ instance: process.env.TEST_LAB ?? "test" });
    host = lab.host("grind");
    directory = await mkdtemp(join(tmpdir(), "nixos-promote-repo-"));
    await host.must(["rm", "-rf", workspace]);
    await must([makeRepo, `${host.root}${workspace}`]);
  });
  after(async () => {
    await rm(directory, { recursive: true, force: true });
    await host?.reset();
    await lab?.close();
  });

  const toplevel = (tag: string, of = "choiros-grind") =>
    `git+file://${workspace}?rev=${shas.get(tag)}#nixosConfigurations.${of}.config.system.build.toplevel`;
  const shas = new Map<string, string>();

  async function build(tag: string): Promise<string> {
    const argv = ["nix", "build", "--no-link", "--print-out-paths", toplevel(tag)];
    return (await host.must(argv)).trim();
  }

  async function test(tag: string): Promise<Ran> {
    return host.exec([`${await build(tag)}/bin/switch-to-configuration`, "test"]);
  }

  async function fetch(url: string): Promise<{ status: string; body: string }> {
    const { stdout } = await host.exec(["curl", "-s", "-m", "3", "-w", "\n%{http_code}", url]);
    const lines = stdout.split("\n");
    return { status: lines.at(-1) ?? "", body: lines.slice(0, -1).join("\n") };
  }

  async function main(unit: string): Promise<{ pid: string; program: string }> {
    const argv = ["systemctl", "show", "--value", "-p", "MainPID", unit];
    const pid = (await host.must(argv)).trim();
    const words = (await host.must(["cat", `/proc/${pid}/cmdline`])).split("\0");
    return { pid, program: words.find((word) => word.startsWith("/nix/store/")) ?? "" };
  }

  it("has the same commits on every machine, and is never made over something else", async () => {
    const other = join(directory, "repo");
    await must([makeRepo, other]);
    const refs = ["for-each-ref", "--format=%(refname:short) %(objectname)"];
    const here = await must(["git", "-C", other, ...refs]);
    assert.equal(await must(["git", "-C", `${host.root}${workspace}`, ...refs]), here);
    for (const line of here.trim().split("\n")) {
      const [name = "", sha = ""] = line.split(" ");
      shas.set(name, sha);
    }
    assert.equal(shas.get("main"), shas.get("a"));
    await assert.rejects(must([makeRepo, other]), /is there already/);
  });

  it("a: everything is up and answers", async () => {
    await test("base");
    const ran = await test("a");
    assert.equal(ran.code, 0, ran.stderr);
    assert.match((await fetch(health)).body, /"status": "healthy".*"version": "1\.4\.0"/);
    assert.equal((await fetch("http://127.0.0.1:9090/login")).status, "200");
    assert.equal((await fetch("http://127.0.0.1:9090/elsewhere")).status, "302");
    assert.equal((await fetch("http://127.0.0.1:9090/desktop/index.html")).status, "200");
    assert.match((await fetch("http://127.0.0.1/health")).body, /"hypervisor"/, "through Caddy");
    for (const role of ["live", "dev"]) {
      const curl = ["curl", "-s", "http://127.0.0.1:8080/health"];
      const inside = ["/run/current-system/sw/bin/nixos-container", "run", `sandbox-${role}`];
      const answer = JSON.parse(await host.must([...inside, "--", ...curl])) as unknown;
      assert.deepEqual(answer, {
        status: "healthy",
        service: "choiros-sandbox",
        version: "0.1.0",
        instance_role: role,
        hostname: `sandbox-${role}`,
      });
    }
  });

  it("the two hosts share components, and differ in host name and domain", async () => {
    const prod = (
      await host.must([
        "nix",
        "build",
        "--no-link",
        "--print-out-paths",
        toplevel("a", "choiros-prod"),
      ])
    ).trim();
    const grind = await build("a");
    const component = ["sandbox", "hypervisor", "desktop"].map(
      (name) => `git+file://${workspace}?rev=${shas.get("a")}#${name}`,
    );
    const paths = await host.must(["nix", "build", "--no-link", "--print-out-paths", ...component]);
    for (const system of [grind, prod]) {
      const closure = await host.must(["nix-store", "--query", "--requisites", system]);
      for (const path of paths.trim().split("\n")) assert.ok(closure.includes(path), path);
    }
    const read = (system: string, file: string) => host.must(["cat", `${system}/${file}`]);
    assert.equal(await read(prod, "etc/hostname"), "choiros-prod\n");
    assert.match(await read(prod, "etc/caddy/caddy_config"), /http:\/\/example\.com \{/);
    assert.match(await read(grind, "etc/caddy/caddy_config"), /http:\/\/staging\.example\.com \{/);
  });

  it("b: the hypervisor and the dev sandbox are restarted, the live one is not", async () => {
    const live = await main("container@sandbox-live");
    const ran = await test("b");
    assert.equal(ran.code, 0, ran.stderr);
    const changed = ["container@sandbox-dev.service", "hypervisor.service"];
    assert.deepEqual(names("stopping the following units", ran.stderr), changed);
    assert.deepEqual(names("starting the following units", ran.stderr), changed);
    assert.deepEqual(await main("container@sandbox-live"), live);
    assert.match((await main("container@sandbox-dev")).program, /-sandbox-0\.2\.0\//);
    assert.match((await fetch(health)).body, /"version": "1\.5\.0"/);
  });

  it("c-503: the switch works, /health and /login answer 503", async () => {
    assert.equal((await test("c-503")).code, 0);
    assert.equal((await fetch(health)).status, "503");
    assert.equal((await fetch("http://127.0.0.1:9090/login")).status, "503");
  });

  it("bad-unit: 4, and the journal says why", async () => {
    const ran = await test("bad-unit");
    assert.equal(ran.code, 4);
    assert.match(ran.stderr, /^warning: the following units failed: hypervisor\.service$/m);
    assert.match(ran.stdout, /HYPERVISOR_DATABASE_URL is not set/);
  });

  it("bad-activate: 2", async () => {
    const ran = await test("bad-activate");
    assert.equal(ran.code, 2);
    assert.match(ran.stderr, /cannot decrypt the platform secrets/);
    assert.match(ran.stdout, /Activation script snippet 'secrets' failed \(1\)/);
  });

  it("bad-check: 1", async () => {
    const ran = await test("bad-check");
    assert.equal(ran.code, 1);
    assert.match(ran.stderr, /older than this release can read\n.*'database' failed/);
  });

  it("late-crash: 0, healthy, dead three seconds later", async () => {
    assert.equal((await test("late-crash")).code, 0);
    assert.equal((await fetch(health)).status, "200");
    const dead = async () => ((await fetch(health)).status === "000" ? true : undefined);
    assert.equal(await until(dead, { timeout: 5_000, every: 200 }), true);
  });

  it("crash-loop: 0, and restarts again and again", async () => {
    assert.equal((await test("crash-loop")).code, 0);
    const argv = ["systemctl", "show", "--value", "-p", "NRestarts", "hypervisor"];
    const twice = async () => (Number(await host.must(argv)) >= 2 ? true : undefined);
    assert.equal(await until(twice, { timeout: 8_000, every: 200 }), true);
  });

  it("stale: 0, but the sandboxes are the old ones", async () => {
    await test("a");
    const ran = await test("stale");
    assert.equal(ran.code, 0);
    assert.deepEqual(names("NOT restarting the following changed units", ran.stderr), [
      "container@sandbox-dev.service",
      "container@sandbox-live.service",
    ]);
    assert.match((await main("container@sandbox-live")).program, /-sandbox-0\.1\.0\//);
  });

  it("new-unit: a service and a timer are new", async () => {
    await test("a");
    const ran = await test("new-unit");
    assert.equal(ran.code, 0);
    const started = names("the following new units were started", ran.stderr);
    assert.deepEqual(started, ["choiros-janitor.service", "choiros-report.timer"]);
  });

  it("boot-only: 100. inhibited: 1. new-kernel: 0, another kernel", async () => {
    await test("a");
    assert.equal((await test("boot-only")).code, 100);
    assert.equal((await test("inhibited")).code, 1);
    assert.equal((await test("new-kernel")).code, 0);
    const kernel = await host.must(["readlink", "/run/current-system/kernel"]);
    assert.match(kernel, /-linux-6\.12\.70\/bzImage\n$/);
  });

  it("a: comes up by itself after a power cut, once it is the boot default", async () => {
    await host.must([`${await build("a")}/bin/switch-to-configuration`, "boot"]);
    await host.powerCut();
    await host.boot();
    const urls = [health, "http://10.233.1.2:8080/health", "http://10.233.2.2:8080/health"];
    const up = async () => {
      const statuses = await Promise.all(urls.map(async (url) => (await fetch(url)).status));
      return statuses.every((status) => status === "200") ? true : undefined;
    };
    assert.equal(await until(up, { timeout: 10_000, every: 200 }), true);
    const systems = await host.must(["readlink", "/run/current-system", "/run/booted-system"]);
    assert.equal(new Set(systems.trim().split("\n")).size, 1);
  });

  it("no-build: its derivation fails. no-host: no choiros-prod, but choiros-grind", async () => {
    await assert.rejects(build("no-build"), /cannot find value `window`/);
    const eval_ = (of: string) => host.exec(["nix", "eval", "--raw", toplevel("no-host", of)]);
    assert.match((await eval_("choiros-prod")).stderr, /choiros-prod/);
    assert.equal((await eval_("choiros-grind")).code, 0);
  });
});
