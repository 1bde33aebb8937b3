import assert from "node:assert/strict";
import {
  assertRuns,
  invocations,
  isActive,
  type Pointers,
  pointers,
  roots,
  touched,
  World,
} from "./world.ts";

describe("promoting releases from grind to prod", function () {
  this.timeout(90_000);
  let world: World;
  let a: string;
  let b: string;

  before("a lab as new", async () => {
    world = await World.open();
    a = await world.toplevel("a", world.prod);
    b = await world.toplevel("b", world.prod);
  });

  after("the lab goes", () => world?.close());

  describe("01 the first release", () => {
    it("is refused by prod while grind runs none", async () => {
      const { code, output } = await world.project.pulumi(["preview", "--stack", "prod"]);
      assert.notEqual(code, 0);
      assert.match(output, /\[release\.stack\] grind offers no release that it runs healthy/);
    });

    it("is built on grind, and grind runs it for good", async () => {
      await world.up("grind");
      await assertRuns(world.grind, await world.toplevel("a", world.grind));
    });

    it("is then taken over by prod, which never builds", async () => {
      assert.notEqual((await pointers(world.prod)).currentSystem, a);
      await world.up("prod");
      await assertRuns(world.prod, a);
      assert.match((await world.login(world.prod)).body, /hypervisor 1\.4\.0/);
      const held = Object.keys(await roots(world.prod));
      assert.ok(held.includes(`closure-${hashOf(a)}`), `roots: ${held}`);
    });
  });

  describe("02 a change", () => {
    let predicted: string[];

    it("is shown by a preview of prod: revision, packages, bytes and units", async () => {
      await world.push("b");
      await world.up("grind");
      const text = await world.preview("prod");
      assert.match(text, /choiros-prod: [0-9a-f]{12} -> [0-9a-f]{12} hypervisor 1\.5\.0; sandbox/);
      assert.match(text, /hypervisor: 1\.4\.0 -> 1\.5\.0/);
      assert.match(text, /sandbox: 0\.1\.0 -> 0\.1\.0, 0\.2\.0/);
      assert.match(text, /copy +\d+ paths, [\d.]+ [KM]?i?B/);
      predicted = (/restart +(.*)/.exec(text)?.[1] ?? "").split(", ").sort();
      assert.deepEqual(predicted, ["container@sandbox-dev.service", "hypervisor.service"]);
      await assertRuns(world.prod, a);
    });

    it("restarts just the units that the preview named", async () => {
      const before = await invocations(world.prod);
      await world.up("prod");
      await assertRuns(world.prod, b);
      assert.deepEqual(touched(before, await invocations(world.prod)), predicted);
      assert.match((await world.login(world.prod)).body, /hypervisor 1\.5\.0/);
    });
  });

  describe("03 a release that is healthy on grind, but not on prod", () => {
    let before: Pointers;
    let attempt: string | undefined;

    it("fails with the reason, and the host has rolled back by itself", async () => {
      await world.push("c-prod");
      await world.up("grind");
      before = await pointers(world.prod);
      const output = await world.failingUp("prod");
      assert.match(output, /choiros-prod did not take release [0-9a-f]{12}: .*503/);
      assert.match(output, /It rolled back by itself: choiros-prod runs /);
      assert.match(output, /Diagnostics:[\s\S]*sign-in is not registered for/);
    });

    it("never moved the profile or the boot default, and b serves", async () => {
      assert.deepEqual(await pointers(world.prod), before);
      assert.equal(before.currentSystem, b);
      const { status, body } = await world.login(world.prod);
      assert.equal(status, 200);
      assert.match(body, /hypervisor 1\.5\.0/);
    });

    it("leaves the truth in Pulumi's state", async () => {
      const { outputs } = await world.profile("prod");
      assert.equal(outputs.live.currentSystem, b);
      assert.equal(outputs.live.profile, b);
      assert.equal(outputs.transaction?.outcome, "rolled-back");
      attempt = outputs.transaction?.id;
    });

    it("is tried again by the next up", async () => {
      await world.failingUp("prod");
      const { outputs } = await world.profile("prod");
      assert.notEqual(outputs.transaction?.id, attempt);
      assert.deepEqual(await pointers(world.prod), before);
    });
  });

  describe("04 a release that is not healthy on grind", () => {
    it("is rolled back there", async () => {
      await world.push("b");
      await world.up("grind");
      const before = await pointers(world.grind);
      await world.push("c-503");
      const output = await world.failingUp("grind");
      assert.match(output, /did not take release [0-9a-f]{12}: .*503/);
      assert.deepEqual(await pointers(world.grind), before);
    });

    it("is not offered to prod, which gets what grind went back to", async () => {
      const refused = await world.toplevel("c-503", world.prod);
      const text = await world.preview("prod");
      assert.ok(!text.includes("hypervisor 1.6.0") && !text.includes(short(refused)), text);
      await world.up("prod");
      await assertRuns(world.prod, b);
    });
  });

  describe("05 changes by hand on prod", () => {
    before("grind is back at b", async () => {
      await world.push("b");
      await world.up("grind");
    });

    it("a stopped unit shows in a plain preview, and up starts it", async () => {
      await world.prod.must(["systemctl", "stop", "container@sandbox-dev.service"]);
      const text = await world.preview("prod");
      assert.match(text, /drift +container@sandbox-dev\.service is inactive \(dead\), not active/);
      assertOneChange(text);
      await world.up("prod");
      assert.equal(await isActive(world.prod, "container@sandbox-dev.service"), true);
    });

    it("an older system shows, and up brings the release back", async () => {
      await world.prod.must([`${a}/bin/switch-to-configuration`, "test"]);
      assert.equal((await pointers(world.prod)).currentSystem, a);
      const text = await world.preview("prod");
      assert.match(text, new RegExp(`drift +runs ${short(a)}, not the release's ${short(b)}`));
      assertOneChange(text);
      await world.up("prod");
      await assertRuns(world.prod, b);
    });

    it("a moved profile shows, and up puts it back", async () => {
      await world.prod.must(["nix-env", "-p", "/nix/var/nix/profiles/system", "--set", a]);
      const before = await invocations(world.prod);
      const text = await world.preview("prod");
      assert.match(
        text,
        new RegExp(`drift +would boot ${short(a)}, not the release's ${short(b)}`),
      );
      assertOneChange(text);
      await world.up("prod");
      await assertRuns(world.prod, b);
      assert.deepEqual(touched(before, await invocations(world.prod)), []);
    });
  });

  describe("06 back to a", () => {
    it("is one more promotion", async () => {
      await world.push("a");
      await world.up("grind");
      await world.up("prod");
      await assertRuns(world.prod, a);
      assert.match((await world.login(world.prod)).body, /hypervisor 1\.4\.0/);
    });
  });
});

function hashOf(path: string): string {
  return path.slice("/nix/store/".length, "/nix/store/".length + 32);
}

/** As messages write a path. */
function short(path: string): string {
  const name = path.slice("/nix/store/".length + 33);
  return `${path.slice("/nix/store/".length, "/nix/store/".length + 7)}…-${name}`.replaceAll(
    ".",
    "\\.",
  );
}

function assertOneChange(text: string): void {
  assert.match(text, /~ 1 to update\n/);
}
