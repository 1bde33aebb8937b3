import assert from "node:assert/strict";
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import {
  assertRuns,
  invocations,
  isActive,
  journalEnd,
  pointers,
  roots,
  switchesSince,
  touched,
  World,
} from "./world.ts";

const DEV = "container@sandbox-dev.service";
const CLOSURE = "nixos:index:Closure";
const PROFILE = "nixos:index:SystemProfile";

describe("the life of a stack, as Pulumi users know it", function () {
  this.timeout(300_000);
  let world: World;
  let a: string;
  let b: string;

  before("release a on both hosts", async () => {
    world = await World.settled();
    a = await world.toplevel("a", world.prod);
    b = await world.toplevel("b", world.prod);
  });

  after("the lab goes", () => world?.close());

  describe("01 pulumi refresh", () => {
    it("records what somebody changed by hand, and leaves it as it is", async () => {
      await world.prod.must(["systemctl", "stop", DEV]);
      assert.deepEqual((await world.profile("prod")).outputs.drift, []);
      await world.project.must(["refresh", "--yes", "--stack", "prod"]);
      const { drift } = (await world.profile("prod")).outputs;
      assert.deepEqual(drift, [`${DEV} is inactive (dead), not active`]);
      assert.equal(await isActive(world.prod, DEV), false);
    });
  });

  describe("02 pulumi up --target", () => {
    it("of the closure copies release b, and leaves the running system and its drift alone", async () => {
      await world.push("b");
      await world.up("grind");
      const before = await invocations(world.prod);
      const { urn } = await world.recordedOf("prod", CLOSURE);
      await world.up("prod", {}, ["--target", urn]);
      assert.equal((await world.recordedOf("prod", CLOSURE)).outputs?.path, b);
      assert.ok(Object.values(await roots(world.prod)).includes(b), "b is not rooted on prod");
      await assertRuns(world.prod, a);
      assert.equal((await world.profile("prod")).inputs.toplevel, a);
      assert.deepEqual(touched(before, await invocations(world.prod)), []);
    });

    it("of the system then activates it", async () => {
      await world.up("prod", {}, ["--target", (await world.profile("prod")).urn]);
      await assertRuns(world.prod, b);
      assert.equal(await isActive(world.prod, DEV), true);
    });
  });

  describe("03 pulumi import", () => {
    it("takes a running host into a fresh stack, and shows what it runs", async () => {
      const settings = `${world.project.directory}/Pulumi.adopted.yaml`;
      copyFileSync(new URL("../../Pulumi.prod.yaml", import.meta.url), settings);
      await world.project.must(["stack", "init", "adopted"]);
      const before = await invocations(world.prod);
      await importInto(PROFILE, "prod-system", "choiros-prod");
      const { inputs, outputs } = await world.profile("adopted");
      assert.equal(outputs.live.currentSystem, b);
      assert.equal(outputs.live.profile, b);
      assert.equal(inputs.toplevel, b);
      assert.equal(inputs.rev, (await world.profile("prod")).inputs.rev);
      assert.deepEqual(touched(before, await invocations(world.prod)), []);
    });

    it("takes a closure that is on a host", async () => {
      await importInto(CLOSURE, "prod-closure", `choiros-prod/${b}`);
      const { inputs, outputs } = await world.recordedOf("adopted", CLOSURE);
      assert.equal(inputs?.path, b);
      assert.ok(Object.keys(await roots(world.prod)).includes(String(outputs?.root)));
    });

    it("refuses a closure that is not there", async () => {
      const missing = b.replace(/-nixos-system.*/, "-something-else");
      const argv = ["import", CLOSURE, "nothing", `choiros-prod/${missing}`];
      const ended = await world.project.pulumi([...argv, ...IMPORT]);
      assert.notEqual(ended.code, 0);
      assert.match(ended.output, /does not exist/);
    });

    async function importInto(type: string, name: string, id: string): Promise<void> {
      await world.project.must(["import", type, name, id, ...IMPORT]);
    }
    const IMPORT = ["--stack", "adopted", "--yes", "--protect=false", "--generate-code=false"];
  });

  describe("04 another connection", () => {
    it("to the same machine is an update that touches nothing on it", async () => {
      const [type, key] = readFileSync(
        `${world.prod.root}/etc/ssh/ssh_host_ed25519_key.pub`,
        "utf8",
      ).split(" ");
      const [before, journal] = [await invocations(world.prod), await journalEnd(world.prod)];
      world.connect(
        "prod",
        `{kind: ssh, host: ${world.prod.address}, user: root, hostKey: "${type} ${key}"}`,
      );
      await world.up("prod");
      const { connection } = (await world.profile("prod")).inputs;
      assert.deepEqual(
        { ...connection, hostKey: undefined },
        {
          kind: "ssh",
          host: world.prod.address,
          user: "root",
          hostKey: undefined,
        },
      );
      assert.deepEqual(touched(before, await invocations(world.prod)), []);
      assert.deepEqual(await switchesSince(world.prod, journal), []);
    });

    it("is used at once, also when the recorded one leads nowhere any more", async () => {
      const config = `${world.lab.dir}/ssh_config.moved`;
      const text = readFileSync(`${world.lab.dir}/ssh_config`, "utf8");
      writeFileSync(config, text.replace("Host choiros-prod", "Host choiros-moved choiros-prod"));
      world.connect("prod", "{kind: ssh, host: choiros-moved}");
      await world.up("prod", { env: { NIXOS_PROMOTE_SSH_CONFIG: config } });
      rmSync(config);
      const refresh = await world.project.pulumi(["refresh", "--yes", "--stack", "prod"]);
      assert.notEqual(refresh.code, 0);
      assert.match(
        refresh.output,
        /choiros-moved: no such host.*recorded by the last `pulumi up`/s,
      );
      world.connect("prod", "{kind: ssh, host: choiros-prod}");
      const before = await invocations(world.prod);
      await world.up("prod");
      const { connection } = (await world.profile("prod")).inputs;
      assert.deepEqual(connection, { kind: "ssh", host: "choiros-prod" });
      assert.deepEqual(touched(before, await invocations(world.prod)), []);
    });

    it("to another machine is refused, and neither machine is touched", async () => {
      world.connect("prod", "{kind: ssh, host: choiros-grind}");
      const hosts = [world.grind, world.prod];
      const before = await Promise.all(hosts.map(invocations));
      const systems = await Promise.all(hosts.map(pointers));
      const held = await Promise.all(hosts.map(roots));
      const output = await world.failingUp("prod");
      assert.match(output, /connection\] leads to another machine \([0-9a-f]{32}\) than the one/);
      assert.ok(output.includes(world.grind.machineId) && output.includes(world.prod.machineId));
      assert.deepEqual(await Promise.all(hosts.map(invocations)), before);
      assert.deepEqual(await Promise.all(hosts.map(pointers)), systems);
      assert.deepEqual(await Promise.all(hosts.map(roots)), held);
    });

    it("that is corrected goes on as if nothing had been", async () => {
      world.connect("prod", "{kind: ssh, host: choiros-prod}");
      const before = await invocations(world.prod);
      await world.up("prod");
      assert.deepEqual((await world.profile("prod")).inputs.connection, {
        kind: "ssh",
        host: "choiros-prod",
      });
      assert.deepEqual(touched(before, await invocations(world.prod)), []);
      assert.match(await world.preview("prod"), /6 unchanged\n/);
    });
  });

  describe("05 a closure's gc root that somebody took away", () => {
    let root: string;

    it("shows in a preview, also in one with --refresh=false", async () => {
      root = String((await world.recordedOf("prod", CLOSURE)).outputs?.root);
      await world.prod.must(["rm", `/nix/var/nix/gcroots/nixos-promote/${root}`]);
      for (const more of [[], ["--refresh=false"]]) {
        const { output } = await world.project.must(["preview", "--stack", "prod", ...more]);
        assert.match(output, /Closure choiros-prod-closure update/);
        assert.match(output, /~ 1 to update\n/);
      }
      assert.equal((await roots(world.prod))[root], undefined);
    });

    it("is put back by up, which leaves the running system alone", async () => {
      const before = await invocations(world.prod);
      await world.up("prod");
      assert.equal((await roots(world.prod))[root], b);
      assert.deepEqual(touched(before, await invocations(world.prod)), []);
      assert.match(await world.preview("prod"), /6 unchanged\n/);
    });
  });

  describe("06 pulumi destroy", () => {
    it("leaves prod running, and gives up the stack's gc roots and records", async () => {
      const [before, runs] = [await invocations(world.prod), await pointers(world.prod)];
      const held = Object.keys(await roots(world.prod)).filter((name) =>
        name.startsWith("closure-"),
      );
      assert.equal(held.length, 1, `${held}`);
      await world.project.must(["destroy", "--yes", "--stack", "prod"]);
      assert.deepEqual(await world.recorded("prod"), []);
      assert.deepEqual(touched(before, await invocations(world.prod)), []);
      assert.deepEqual(await pointers(world.prod), runs);
      assert.deepEqual(await roots(world.prod), {});
      const records = [
        "sh",
        "-c",
        "ls -A /var/lib/nixos-promote/jobs; cd /var/lib/nixos-promote && ls -d ledger.jsonl activation",
      ];
      assert.equal((await world.prod.exec(records)).stdout, "");
    });

    it("gives up the builder's roots of the release", async () => {
      const built = Object.keys(await roots(world.grind)).filter((name) =>
        name.startsWith("build-"),
      );
      assert.notDeepEqual(built, []);
      await world.project.must(["destroy", "--yes", "--stack", "grind"]);
      assert.deepEqual(await roots(world.grind), {});
      assert.equal((await world.login(world.grind)).status, 200);
    });

    it("can be followed by up, which takes the running hosts over again", async () => {
      const hosts = [world.grind, world.prod];
      const before = await Promise.all(hosts.map(invocations));
      await world.up("grind");
      await world.up("prod");
      assert.deepEqual(await Promise.all(hosts.map(invocations)), before);
      await assertRuns(world.prod, b);
    });
  });
});
