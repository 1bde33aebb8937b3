// An operator's machine with ssh, Node.js, the Pulumi CLI and this checkout, and nothing else: no Nix, no git, no AWS CLI.
import assert from "node:assert/strict";
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { delimiter } from "node:path";
import { run } from "../../lab/process.ts";
import { withSettings } from "./faults.ts";
import { assertRuns, eventually, pointers, REPOSITORY, World } from "./world.ts";

/** `sh` and `readlink` start Pulumi's plugins. */
const PROGRAMS = ["ssh", "node", "pulumi", "pulumi-language-nodejs", "sh", "readlink"];
const CACHE = "/srv/cache";
const PORT = 8088;

describe("a promotion from a machine that has next to nothing", function () {
  this.timeout(480_000);
  let world: World;
  let env: Record<string, string>;
  let http: string;

  before("a lab as new, and a machine with these programs alone", async () => {
    world = await World.open();
    const machine = `${world.lab.dir}/machine`;
    rmSync(machine, { recursive: true, force: true });
    mkdirSync(`${machine}/bin`, { recursive: true });
    mkdirSync(`${machine}/home`);
    const path = [...(world.lab.env.PATH ?? "").split(delimiter), process.env.PATH].join(delimiter);
    for (const program of PROGRAMS) {
      const found = await run(["bash", "-c", 'type -P "$1"', "bash", program], {
        env: { ...process.env, PATH: path },
      });
      assert.equal(found.code, 0, program);
      symlinkSync(found.stdout.trim(), `${machine}/bin/${program}`);
    }
    env = { PATH: `${machine}/bin`, HOME: `${machine}/home` };
    const ran = await run(
      [`${machine}/bin/sh`, "-c", "command -v nix || command -v git || command -v bash"],
      {
        env,
      },
    );
    assert.notEqual(ran.code, 0, ran.stdout);
    http = `http://${world.grind.address}:${PORT}`;
    await world.grind.must(["mkdir", "-p", CACHE]);
    const serve = ["python3", "-m", "http.server", String(PORT), "--directory", CACHE];
    await world.grind.must(["systemd-run", "--quiet", "--unit=serve-cache", "--", ...serve]);
    await eventually("the cache is served", () =>
      fetch(http).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
  });

  after("the lab goes", () => world?.close());

  const promote = (args: readonly string[]) => world.project.promote(args, { env });

  async function promotes(revision: string): Promise<void> {
    await world.push(revision);
    const { code, output } = await promote(["--yes"]);
    assert.equal(code, 0, output);
    await assertRuns(world.grind, await world.toplevel(revision, world.grind));
    await assertRuns(world.prod, await world.toplevel(revision, world.prod));
  }

  const viaCache = <T>(work: () => Promise<T>, pull = http) =>
    withSettings(
      world,
      "prod",
      { copy: { via: "cache", caches: [{ pull, push: `file://${CACHE}` }] } },
      work,
    );

  describe("01 in one command", () => {
    it("straight from the builder", () => promotes("a"));

    it("through a cache", () => viaCache(() => promotes("b")));

    it("all the other commands too", async () => {
      for (const args of [
        ["status"],
        ["doctor"],
        ["history"],
        ["snapshot"],
        ["cache-check"],
        ["data", "list"],
      ]) {
        const { code, output } = await promote(args);
        assert.equal(code, 0, output);
      }
      const { code, output } = await promote(["rollback", "--yes"]);
      assert.equal(code, 0, output);
      await assertRuns(world.prod, await world.toplevel("a", world.prod));
      assert.equal((await promote(["unpin"])).code, 0);
    });

    it("relayed through the machine itself is refused by name, before anything is built", async () => {
      const before = await pointers(world.grind);
      const ended = await withSettings(world, "prod", { copy: { via: "relay" } }, () =>
        promote(["--yes"]),
      );
      assert.equal(ended.code, 1, ended.output);
      assert.match(ended.output, /this machine, nix: .*\[copy\.via\] relay|nix.*relay/is);
      assert.deepEqual(await pointers(world.grind), before);
    });
  });

  describe("02 what has to be right before is said, and nothing is done", () => {
    const nothing = async (work: () => Promise<{ code: number; output: string }>) => {
      const hosts = [world.grind, world.prod];
      const before = await Promise.all(hosts.map(pointers));
      const { code, output } = await work();
      assert.notEqual(code, 0, output);
      assert.deepEqual(await Promise.all(hosts.map(pointers)), before);
      return output;
    };

    it("a dirty tree on the builder: which files, and what to do", async () => {
      await world.grind.must(["sh", "-c", `echo note >${REPOSITORY}/notes.txt`]);
      const output = await nothing(() => promote(["--yes"]));
      await world.grind.must(["rm", `${REPOSITORY}/notes.txt`]);
      assert.match(output, /is dirty: 1 change is not committed.*notes\.txt/);
      assert.match(output, /-> .*[Cc]ommit/);
    });

    it("a host that takes no key of ours: what to make work by hand", async () => {
      const connection = { kind: "ssh", host: "choiros-prod", user: "nobody" };
      const output = await nothing(() =>
        withSettings(world, "prod", { "host.connection": connection }, () => promote(["--yes"])),
      );
      assert.match(output, /nobody@choiros-prod: it refused every key/);
      assert.match(output, /-> Make this work first: ssh nobody@choiros-prod true/);
      assert.equal(output.match(/^ +fail /gm)?.length, 1, "it is said once");
    });

    it("a cache that nobody can reach: which, from where, and what to look at", async () => {
      const output = await nothing(() => viaCache(() => promote(["--yes"]), "http://127.0.0.1:9"));
      assert.match(
        output,
        /http:\/\/127\.0\.0\.1:9 .*choiros-prod|choiros-prod.*http:\/\/127\.0\.0\.1:9/,
      );
    });

    it("hosts that have diverged: by how many commits, and where to look at them", async () => {
      await world.push("b");
      assert.equal((await promote(["--yes"])).code, 0);
      await world.push("new-unit"); // a child of a, as b is
      const { code, output } = await promote([]); // grind takes it, and the question stops it
      assert.equal(code, 5, output);
      assert.match(
        output,
        /warn +history: the hosts have diverged: [0-9a-f]{12} lacks \d+ commits? of the host's [0-9a-f]{12}, and has \d+ commits? of its own/,
      );
      assert.match(output, /-> Look at them on the builder: git log/);
      await assertRuns(world.prod, await world.toplevel("b", world.prod));
    });
  });
});
