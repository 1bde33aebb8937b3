// From programs behind links to one switch: both side by side, then the links off.
import assert from "node:assert/strict";
import { assertRuns, World } from "./world.ts";

const LINK = "/opt/choiros/bin/hypervisor";
const LINKS =
  "{directory: /opt/choiros/bin, files: {hypervisor: {component: hypervisor, file: bin/hypervisor}}, restart: [hypervisor.service]}";

describe("a bridge of links, and the way off it", function () {
  this.timeout(300_000);
  let world: World;

  before(
    "a system whose hypervisor runs from a link, and the link, in one transaction on each host",
    async () => {
      world = await World.open();
      world.configure("grind", /rev: main/, "rev: bridge");
      for (const stack of ["grind", "prod"] as const) {
        await world.lab.host(stack).must(["mkdir", "-p", "/opt/choiros/bin"]);
        world.configure(stack, /^config:$/m, `config:\n  choiros:activation: {links: ${LINKS}}`);
        await world.up(stack);
      }
    },
  );

  after("the lab goes", () => world?.close());

  it("01 side by side: the unit runs what the link leads to", async () => {
    await assertRuns(world.prod, await world.toplevel("bridge", world.prod));
    assert.match(await program(), /^\/opt\/choiros\/bin\/hypervisor/);
    assert.match(await leads(), /-hypervisor-1\.4\.0\/bin\/hypervisor$/);
  });

  it("02 off: the preview says that the hypervisor comes from the system now", async () => {
    world.configure("grind", /rev: bridge/, "rev: b");
    for (const stack of ["grind", "prod"] as const)
      world.configure(stack, /^ {2}choiros:activation: .*\n/m, "");
    await world.up("grind");
    const preview = await world.preview("prod");
    assert.match(preview, /SystemProfile .*update .*links/);
    assert.match(preview, /hypervisor: .*1\.5\.0/);
    assert.match(preview, /restart +.*hypervisor\.service/);
    assert.match(preview, /- +.*nixos:index:Closure +choiros-prod-closure-hypervisor +delete/);
  });

  it("03 one switch brings it, and the link leads nowhere that matters", async () => {
    await world.up("prod");
    await assertRuns(world.prod, await world.toplevel("b", world.prod));
    assert.match(await program(), /\/nix\/store\/.*-hypervisor-1\.5\.0\/bin\/hypervisor/);
    assert.match((await world.login(world.prod)).body, /hypervisor 1\.5\.0/);
    await world.prod.must(["rm", "-f", LINK]);
    await world.up("prod", {}, ["--expect-no-changes"]);
    await world.prod.must(["systemctl", "restart", "hypervisor.service"]);
  });

  async function program(): Promise<string> {
    const show = ["systemctl", "show", "--property=ExecStart", "--value", "hypervisor.service"];
    return (await world.prod.must(show)).replace(/^.*argv\[\]=/, "");
  }

  async function leads(): Promise<string> {
    return (await world.prod.must(["readlink", LINK])).trim();
  }
});
