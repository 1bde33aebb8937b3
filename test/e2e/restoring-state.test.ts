// An earlier state, and none: what docs/restoring-state.md says, by the commands which it says.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { LabHost } from "../../lab/lab.ts";
import { run } from "../../lab/process.ts";
import type { StackName } from "../../lab/project.ts";
import { ObjectStore } from "../support/object-store.ts";
import { assertRuns, invocations, pointers, roots, World } from "./world.ts";

const DOCUMENT = readFileSync(new URL("../../docs/restoring-state.md", import.meta.url), "utf8");
/** The line that makes of a checkpoint what `pulumi stack import` takes. */
const UNWRAP = /^node -p .*$/m.exec(DOCUMENT)?.[0] ?? "";
const CHECKPOINT = /\.checkpoint\.json$/;

describe("restoring Pulumi's state", function () {
  this.timeout(480_000);
  let world: World;
  let a: string;
  let b: string;

  before("release a, then b, on both hosts", async () => {
    world = await World.settled();
    a = await world.toplevel("a", world.prod);
    b = await world.toplevel("b", world.prod);
    await world.push("b");
    await world.up("grind");
    await world.up("prod");
    await assertRuns(world.prod, b);
  });

  after("the lab goes", () => world?.close());

  const state = () => `${world.project.directory}/state/.pulumi`;

  /** SHA-256 of what a host runs, would boot, has started, holds and remembers. */
  async function hashOf(host: LabHost): Promise<string> {
    const { stdout: ledger } = await host.exec(["cat", "/var/lib/nixos-promote/ledger.jsonl"]);
    const seen = [await pointers(host), await invocations(host), await roots(host), ledger];
    return createHash("sha256").update(JSON.stringify(seen)).digest("hex");
  }

  async function untouched<T>(work: () => Promise<T>): Promise<T> {
    const hashes = () => Promise.all([world.grind, world.prod].map(hashOf));
    const before = await hashes();
    const result = await work();
    assert.deepEqual(await hashes(), before);
    return result;
  }

  async function isClean(stack: StackName, env: Record<string, string> = {}): Promise<void> {
    const { output } = await world.project.must(["preview", "--stack", stack], { env });
    assert.match(output, /^ +\d+ unchanged$/m);
    assert.doesNotMatch(output, /^ +[~+-]+ \d+ to /m);
  }

  /** As the document has it, from a file `checkpoint.json` in the project. */
  async function importCheckpoint(
    stack: StackName,
    env: Record<string, string> = {},
  ): Promise<void> {
    const cwd = world.project.directory;
    const made = await run(["bash", "-euc", UNWRAP], { cwd });
    assert.equal(made.code, 0, made.stderr);
    const argv = ["stack", "import", "--stack", stack, "--file", `${cwd}/state.json`];
    await world.project.must(argv, { env });
  }

  const recorded = async (env: Record<string, string> = {}) => {
    const { stdout } = await world.project.must(["stack", "export", "--stack", "prod"], { env });
    const { deployment } = JSON.parse(stdout) as {
      deployment: { resources: { type: string; inputs?: { toplevel?: string } }[] };
    };
    return deployment.resources.find(({ type }) => type === "nixos:index:SystemProfile")?.inputs
      ?.toplevel;
  };

  describe("01 an earlier checkpoint, of state in a directory", () => {
    const firstOf = (stack: StackName) => {
      const folder = `${state()}/history/choiros/${stack}`;
      const [first] = readdirSync(folder)
        .filter((file) => CHECKPOINT.test(file))
        .sort();
      copyFileSync(`${folder}/${first}`, `${world.project.directory}/checkpoint.json`);
    };

    it("cannot be exported by its version, which is why there is another way", async () => {
      const { code, output } = await world.project.pulumi([
        ...["stack", "export", "--version", "1", "--stack", "prod"],
      ]);
      assert.notEqual(code, 0);
      assert.match(output, /does not provide the ability to export previous deployments/);
    });

    it("of prod is imported; an up takes in what the host runs, and touches nothing", () =>
      untouched(async () => {
        firstOf("prod");
        await importCheckpoint("prod");
        assert.equal(await recorded(), a);
        const preview = await world.preview("prod");
        assert.doesNotMatch(preview, /restart|hypervisor: 1\.[45]/);
        await world.up("prod");
        assert.equal(await recorded(), b);
        await isClean("prod");
      }));

    it("of grind offers the older release until its own up", () =>
      untouched(async () => {
        firstOf("grind");
        await importCheckpoint("grind");
        assert.match(await world.preview("prod"), /hypervisor: 1\.5\.0 -> 1\.4\.0/);
        await world.up("grind");
        await isClean("grind");
        await isClean("prod");
      }));
  });

  describe("02 a lost state", () => {
    it("comes back by stack init and up: both hosts are adopted as they are", () =>
      untouched(async () => {
        rmSync(state(), { recursive: true });
        assert.notEqual((await world.project.pulumi(["preview", "--stack", "prod"])).code, 0);
        for (const stack of ["grind", "prod"] as const) {
          await world.project.must(["stack", "init", stack]);
          await world.up(stack);
          await isClean(stack);
        }
        assert.equal(await recorded(), b);
      }));

    it("a rollback still knows the way, from the ledger", async () => {
      const ended = await world.project.promote(["rollback"]);
      assert.equal(ended.code, 5, ended.output);
      assert.match(ended.output, /hypervisor: 1\.5\.0 -> 1\.4\.0/);
    });

    it("with the passphrase lost too, without the salt of the old one", () =>
      untouched(async () => {
        rmSync(state(), { recursive: true });
        const env = { PULUMI_CONFIG_PASSPHRASE: "another" };
        for (const stack of ["grind", "prod"] as const) {
          const file = world.project.stackFile(stack);
          writeFileSync(file, readFileSync(file, "utf8").replace(/^encryptionsalt: .*\n/m, ""));
          await world.project.must(["stack", "init", stack], { env });
          await world.up(stack, { env });
          await isClean(stack, env);
        }
      }));
  });

  describe("03 state in an object store", () => {
    let store: ObjectStore;
    let env: Record<string, string>;
    const HISTORY = "state/.pulumi/history/choiros/prod/";

    before("a store, and both stacks in it as new", async () => {
      store = await ObjectStore.open();
      env = {
        PULUMI_BACKEND_URL: `s3://state?endpoint=${store.endpoint}&region=us-east-1&use_path_style=true`,
        PULUMI_CONFIG_PASSPHRASE: "another",
        ...{ AWS_ACCESS_KEY_ID: "of-the-test", AWS_SECRET_ACCESS_KEY: "of-the-test" },
      };
      for (const stack of ["grind", "prod"] as const)
        await world.project.must(["stack", "init", stack], { env });
    });
    after("the store goes", () => store?.close());

    it("a lost one comes back in the same way", () =>
      untouched(async () => {
        for (const stack of ["grind", "prod"] as const) {
          await world.up(stack, { env });
          await isClean(stack, env);
        }
      }));

    it("an earlier checkpoint is fetched from the store, and imported as any other", async () => {
      await world.push("new-unit");
      for (const stack of ["grind", "prod"] as const) await world.up(stack, { env });
      const now = await recorded(env);
      assert.notEqual(now, b);
      await untouched(async () => {
        const [first = ""] = [...store.objects.keys()]
          .filter((name) => name.startsWith(HISTORY) && CHECKPOINT.test(name))
          .sort();
        const got = await fetch(`${store.endpoint}/${first}`);
        writeFileSync(`${world.project.directory}/checkpoint.json`, await got.text());
        await importCheckpoint("prod", env);
        assert.equal(await recorded(env), b);
        await world.up("prod", { env });
        assert.equal(await recorded(env), now);
        await isClean("prod", env);
      });
    });

    it("a rollback to what only Pulumi's history has says where to find it", async () => {
      const ended = await world.project.promote(["rollback", "--to", "beef"], { env });
      assert.equal(ended.code, 2, ended.output);
      assert.match(
        ended.output,
        /cannot give out the earlier states that are in s3:\/\/state.*restoring-state\.md/,
      );
    });
  });
});
