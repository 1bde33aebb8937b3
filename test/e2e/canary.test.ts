import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { LabHost } from "../../lab/lab.ts";
import { run } from "../../lab/process.ts";
import { Project } from "../../lab/project.ts";
import { eventually, World } from "./world.ts";

/** Every argument of every process on this machine, its hosts included, as far as sampling sees them. */
class Words {
  readonly seen = new Set<string>();
  private timer: NodeJS.Timeout | undefined;

  begin(): void {
    this.timer = setInterval(() => this.sample(), 10);
  }

  end(): void {
    clearInterval(this.timer);
  }

  private sample(): void {
    for (const pid of readdirSync("/proc")) {
      if (!/^\d+$/.test(pid)) continue;
      for (const word of wordsOf(pid)) this.seen.add(word);
    }
  }
}

describe("no secret and no private key is ever told", function () {
  this.timeout(300_000);
  const random = () => randomBytes(24).toString("hex");
  const environment = {
    CANARY: `canary-${random()}`,
    PULUMI_CONFIG_PASSPHRASE: `pass-${random()}`,
  };
  let world: World;
  let project: Project;
  let secrets: Readonly<Record<string, string>>;
  let printed = "";
  const words = new Words();

  before("ups under a passphrase of their own, with all that Pulumi can log", async () => {
    world = await World.open();
    project = new Project({ dir: world.lab.dir, env: { ...world.lab.env, ...environment } });
    await project.initStacks();
    const key = (name: string) => readFileSync(`${world.lab.dir}/keys/${name}`, "utf8");
    secrets = {
      "an environment variable of the CLI": environment.CANARY,
      "Pulumi's passphrase": environment.PULUMI_CONFIG_PASSPHRASE,
      "the operator's ssh key": key("operator").split("\n").at(-3) ?? "",
      "the builder's ssh key": key("builder").split("\n").at(-3) ?? "",
      "the signing key": key("lab-1.secret").slice("lab-1:".length, "lab-1:".length + 40),
    };
    for (const secret of Object.values(secrets)) assert.ok(secret.length >= 30, secret);
    words.begin();
    for (const stack of ["grind", "prod"])
      for (const more of [["--logtostderr", "-v=9"], []]) {
        const args = ["up", "--yes", "--skip-preview", "--stack", stack, ...more];
        printed += (await project.must(args)).output;
      }
    const shown = ["stack", "output", "--json", "--show-secrets", "--stack"];
    for (const stack of ["grind", "prod"])
      printed += (await project.must([...shown, stack])).output;
  });

  after("the lab goes", async () => {
    words.end();
    await world?.close();
  });

  it("by the CLI", () => {
    assert.ok(printed.length > 100_000, "Pulumi did not log");
    assert.deepEqual(told(printed), []);
    assert.deepEqual(told(`${printed}${environment.CANARY}`), [
      "an environment variable of the CLI",
    ]);
  });

  it("in Pulumi's state and the project's files", async () => {
    const planted = `${project.directory}/state/planted.json`;
    const search = () =>
      grep((argv, input) => run(argv, { input }), [`${project.directory}/state`, ...stackFiles()]);
    assert.deepEqual(await search(), []);
    writeFileSync(planted, `{"key": "${secrets["the signing key"]}"}`);
    assert.deepEqual(await search(), [planted]);
    rmSync(planted);
  });

  it("in arguments of any process, here or on a host", async () => {
    assert.ok(words.seen.has("nixos-promote"), "the samples hold none of our processes");
    assert.deepEqual(told([...words.seen].join("\n")), []);
    spawn("sh", ["-c", "sleep 2", "sh", environment.CANARY], { stdio: "ignore" });
    await eventually(
      "the samples show a planted canary",
      () => words.seen.has(environment.CANARY),
      5,
    );
  });

  for (const name of ["grind", "prod"] as const)
    it(`on ${name}: jobs, records, gc roots, journal, store and temporary files`, async () => {
      const host = world.lab.host(name);
      assert.deepEqual(await searchHost(host), []);
      const [job] = (await host.must(["ls", "/var/lib/nixos-promote/jobs"])).split("\n");
      for (const planted of [`/var/lib/nixos-promote/jobs/${job}/planted`, "/nix/store/planted"]) {
        await host.must(["tee", planted], { input: secrets["the builder's ssh key"] ?? "" });
        assert.deepEqual(await searchHost(host), [planted]);
        await host.must(["rm", planted]);
      }
      const journal = () => host.must(["journalctl", "--no-pager", "--output=export"]);
      assert.deepEqual(told(await journal()), []);
      await host.must(["systemd-cat", "echo", environment.CANARY]);
      await sleep(200);
      assert.deepEqual(told(await journal()), ["an environment variable of the CLI"]);
    });

  it("in files that this machine keeps for ssh", async () => {
    const directories = readdirSync("/tmp").filter((entry) => entry.startsWith("nixos-promote"));
    const paths = directories.map((entry) => `/tmp/${entry}`).filter((path) => existsSync(path));
    assert.deepEqual(await grep((argv, input) => run(argv, { input }), paths), []);
  });

  /** The names of the secrets that a text tells. */
  function told(text: string): string[] {
    return Object.keys(secrets).filter((name) => text.includes(secrets[name] ?? ""));
  }

  function stackFiles(): string[] {
    return (["grind", "prod"] as const).map((stack) => project.stackFile(stack));
  }

  function searchHost(host: LabHost): Promise<string[]> {
    const ours = ["jobs", "eval", "ledger.jsonl", "previous"].map(
      (name) => `/var/lib/nixos-promote/${name}`,
    );
    const places = [
      ...ours,
      "/nix/store",
      "/nix/var/nix/gcroots",
      "/run/nixos-promote",
      "/run/systemd/transient",
      "/tmp",
    ];
    return grep((argv, input) => host.exec(argv, { input }), places);
  }

  /** Files below the paths that hold a secret. The secrets go in on stdin, or the search would tell them. */
  async function grep(
    exec: (argv: string[], input: string) => Promise<{ stdout: string; code: number | null }>,
    paths: readonly string[],
  ): Promise<string[]> {
    const patterns = `${Object.values(secrets).join("\n")}\n`;
    const { stdout } = await exec(
      [
        "grep",
        "--recursive",
        "--binary-files=text",
        "--devices=skip",
        "-lsFf",
        "-",
        "--",
        ...paths,
      ],
      patterns,
    );
    return stdout.split("\n").filter(Boolean);
  }
});

function wordsOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return []; // it has ended
  }
}
