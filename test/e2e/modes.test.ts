import assert from "node:assert/strict";
import { assertRuns, invocations, pointers, REPOSITORY, touched, World } from "./world.ts";

const LINK = "/opt/choiros/bin/hypervisor";

describe("modes and strategies, with the real CLI", function () {
  this.timeout(300_000);
  let world: World;
  let a: string;
  let b: string;

  before("release a on both hosts, release b on grind", async () => {
    world = await World.settled();
    a = await world.toplevel("a", world.prod);
    b = await world.toplevel("b", world.prod);
    await world.push("b");
    await world.up("grind");
    world.configure("prod", /^config:$/m, "config:\n  choiros:activation: {mode: switch}");
  });

  after("the lab goes", () => world?.close());

  const activation = (settings: string) =>
    world.configure(
      "prod",
      /^ {2}choiros:activation: .*$/m,
      `  choiros:activation: ${settings} # ${Date.now()}`,
    );
  async function reboot(): Promise<void> {
    await world.prod.powerCut();
    await world.prod.boot();
    await world.prod.exec(["systemctl", "is-system-running", "--wait"]);
  }
  async function output(name: string): Promise<unknown> {
    const { stdout } = await world.project.must(["stack", "output", "--json", "--stack", "prod"]);
    return (JSON.parse(stdout) as Record<string, unknown>)[name];
  }

  describe("01 dry-activate", () => {
    it("shows what would change, changes nothing, and records nothing, every time", async () => {
      activation("{mode: dry-activate}");
      const [before, recorded] = [await invocations(world.prod), await world.profile("prod")];
      for (let time = 0; time < 2; time += 1) {
        const { output: said } = await world.up("prod");
        assert.match(said, /choiros-prod would change so, and was not changed:/);
        assert.match(said, /would stop the following units: .*hypervisor\.service/);
        assert.match(said, /would start the following units: .*hypervisor\.service/);
        const { outputs } = await world.profile("prod");
        assert.equal(outputs.live.currentSystem, a);
        assert.deepEqual(outputs.transaction, recorded.outputs.transaction);
        assert.equal(await output("healthy"), false, "nobody may take b over from here");
      }
      await assertRuns(world.prod, a);
      assert.deepEqual(touched(before, await invocations(world.prod)), []);
    });
  });

  describe("02 test", () => {
    it("runs b, leaves the boot default, and says so; a second up has nothing to do", async () => {
      activation("{mode: test}");
      const { output: said } = await world.up("prod");
      assert.match(said, /runs only until the next boot, which goes back to .*choiros-prod/);
      const { currentSystem, profile, bootDefault } = await pointers(world.prod);
      assert.deepEqual([currentSystem, profile, bootDefault], [b, a, a]);
      assert.equal((await world.profile("prod")).outputs.transaction?.outcome, "tested");
      assert.equal(await output("healthy"), true);
      const before = await invocations(world.prod);
      await world.up("prod", {}, ["--expect-no-changes"]);
      assert.deepEqual(touched(before, await invocations(world.prod)), []);
    });

    it("after a reboot the preview shows that it is gone, and up tests it again", async () => {
      await reboot();
      assert.match(await world.preview("prod"), /SystemProfile .*update/);
      await world.up("prod");
      assert.equal((await pointers(world.prod)).currentSystem, b);
      await reboot();
      await assertRuns(world.prod, a);
    });
  });

  describe("03 boot", () => {
    it("waits for the boot: nothing that runs is touched, and that is no drift", async () => {
      activation("{mode: boot}");
      const before = await invocations(world.prod);
      assert.match(await world.preview("prod"), /effect +at the next boot/);
      const { output: said } = await world.up("prod");
      assert.match(said, /takes effect at the next boot; until then it runs/);
      const { currentSystem, profile, bootDefault } = await pointers(world.prod);
      assert.deepEqual([currentSystem, profile, bootDefault], [a, b, b]);
      assert.deepEqual(touched(before, await invocations(world.prod)), []);
      assert.deepEqual((await world.profile("prod")).outputs.drift, []);
      assert.equal(await output("healthy"), false, "what does not run yet is not offered");
      await world.up("prod", {}, ["--expect-no-changes"]);
      assert.match(await world.preview("prod"), /pending +takes effect at the next boot/);
    });

    it("after the reboot it runs, and is judged", async () => {
      await reboot();
      await world.up("prod");
      await assertRuns(world.prod, b);
      assert.deepEqual(await output("pending"), []);
      assert.equal(await output("healthy"), true);
    });
  });

  describe("04 immediate", () => {
    it("takes the next release, and goes back from a bad one, boot default included", async () => {
      activation("{mode: immediate}");
      await world.push("a");
      await world.up("grind");
      await world.up("prod");
      await assertRuns(world.prod, a);
      await world.push("c-prod");
      await world.up("grind");
      const said = await world.failingUp("prod");
      assert.match(said, /It rolled back by itself/);
      await assertRuns(world.prod, a);
    });
  });

  describe("05 flake", () => {
    const checkout = "/opt/choiros/checkout";

    it("grind builds from a checkout of its own, at the revision of the release", async () => {
      await world.grind.must(["git", "clone", "--quiet", REPOSITORY, checkout]);
      world.configure(
        "grind",
        /^config:$/m,
        `config:\n  choiros:activation: {strategy: flake, checkout: {directory: ${checkout}}}`,
      );
      await world.push("b");
      await world.up("grind");
      await assertRuns(world.grind, await world.toplevel("b", world.grind));
      const head = await world.grind.must(["git", "-C", checkout, "rev-parse", "HEAD"]);
      assert.equal(head, await world.grind.must(["git", "-C", REPOSITORY, "rev-parse", "b"]));
      await world.up("grind", {}, ["--expect-no-changes"]);
    });

    it("a dirty checkout is refused, and the host goes on as before", async () => {
      const before = await invocations(world.grind);
      await world.grind.must(["touch", `${checkout}/forgotten`]);
      await world.push("a");
      const said = await world.failingUp("grind");
      assert.match(said, /The checkout \S+ is dirty \(\?\? forgotten\)/);
      assert.match(said, /Nothing was changed/);
      assert.deepEqual(touched(before, await invocations(world.grind)), []);
      world.configure("grind", /^ {2}choiros:activation: .*\n/m, "");
    });
  });

  describe("06 links", () => {
    const links =
      "links: {directory: /opt/choiros/bin, files: {hypervisor: {component: hypervisor, file: bin/hypervisor}}, restart: [hypervisor.service]}";
    let toplevel: string;

    it("beside a closure: the link is made, and the unit runs from it", async () => {
      await world.push("bridge");
      world.configure("grind", /rev: main/, "rev: bridge");
      await world.grind.must(["mkdir", "-p", "/opt/choiros/bin"]);
      await world.prod.must(["mkdir", "-p", "/opt/choiros/bin"]);
      world.configure("grind", /^config:$/m, `config:\n  choiros:activation: {${links}}`);
      await world.up("grind");
      activation(`{${links}}`);
      await world.up("prod");
      toplevel = await world.toplevel("bridge", world.prod);
      await assertRuns(world.prod, toplevel);
      assert.match(await leads(), /-hypervisor-1\.4\.0\/bin\/hypervisor$/);
    });

    it("alone: the next release brings its hypervisor, and the system stays", async () => {
      world.configure("grind", /rev: bridge/, "rev: bridge-b");
      await world.up("grind");
      activation(`{strategy: links, ${links}}`);
      const preview = await world.preview("prod");
      assert.match(preview, /links +hypervisor: .*1\.4\.0\/bin\/hypervisor -> .*1\.5\.0\/bin/);
      await world.up("prod");
      await assertRuns(world.prod, toplevel);
      assert.match(await leads(), /-hypervisor-1\.5\.0\/bin\/hypervisor$/);
      assert.match((await world.login(world.prod)).body, /hypervisor 1\.5\.0/);
      await world.up("prod", {}, ["--expect-no-changes"]);
    });

    it("a link changed by hand is drift in a preview, and up repairs it", async () => {
      const good = await leads();
      const old = (await world.prod.must(["bash", "-c", "ls -d /nix/store/*-hypervisor-1.4.0"]))
        .trim()
        .split("\n");
      await world.prod.must(["ln", "-sfT", `${old.at(-1)}/bin/hypervisor`, LINK]);
      await world.project.must(["refresh", "--yes", "--stack", "prod"]);
      const [drift] = (await world.profile("prod")).outputs.drift;
      assert.match(drift ?? "", /^\/opt\/choiros\/bin\/hypervisor leads to .*1\.4\.0.*, not to/);
      assert.match(await world.preview("prod"), /SystemProfile .*update/);
      await world.up("prod");
      assert.equal(await leads(), good);
      assert.deepEqual(await output("drift"), []);
    });

    it("beside a closure, a bad one goes back to the link and the system that were there", async () => {
      const [good, system] = [await leads(world.grind), await pointers(world.grind)];
      world.configure("grind", /rev: bridge-b/, "rev: bridge-503");
      const said = await world.failingUp("grind");
      assert.match(said, /hypervisor is not healthy: 503/);
      assert.match(said, /It rolled back by itself/);
      assert.equal(await leads(world.grind), good);
      assert.deepEqual(await pointers(world.grind), system);
      assert.match((await world.login(world.grind)).body, /hypervisor 1\.5\.0/);
    });

    async function leads(host = world.prod): Promise<string> {
      return (await host.must(["readlink", LINK])).trim();
    }
  });
});
