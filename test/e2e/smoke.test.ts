import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { assertRuns, eventually, isActive, pointers, World } from "./world.ts";

describe("smoke tests from the operator's machine, while prod waits for its confirmation", function () {
  this.timeout(300_000);
  let world: World;
  let a: string;
  let b: string;
  const marker = () => `${world.project.directory}/smoked`;

  before("release a on both hosts, b on grind", async () => {
    world = await World.settled();
    a = await world.toplevel("a", world.prod);
    b = await world.toplevel("b", world.prod);
    await world.push("b");
    await world.up("grind");
    const url = `http://${world.prod.address}/login`;
    const lines = [
      "  choiros:smoke:",
      `    - {kind: http, name: public, url: "${url}", status: [204], deadlineSeconds: 3}`,
      `    - {kind: command, name: browser, argv: [sh, -c, "env >'${marker()}'"]}`,
    ];
    world.configure("prod", "config:\n", `config:\n${lines.join("\n")}\n`);
  });

  after("the lab goes", () => world?.close());

  it("make prod go back when one fails, although all of its own probes pass", async () => {
    const since = Date.now();
    const output = await world.failingUp("prod");
    assert.ok(Date.now() - since < 50_000, "it waited until nobody confirmed");
    assert.match(
      output,
      /choiros-prod did not take release \w+: the smoke test public failed, seen from the operator's machine: 200\./,
    );
    assert.match(output, /It rolled back by itself: .* Mend the release and run `pulumi up` again/);
    await assertRuns(world.prod, a);
    const { transaction } = (await world.profile("prod")).outputs;
    assert.equal(transaction?.outcome, "rolled-back");
  });

  it("let it stay when all pass, and know what they test", async () => {
    world.configure("prod", "status: [204]", "status: [200]");
    await world.up("prod");
    await assertRuns(world.prod, b);
    const { transaction } = (await world.profile("prod")).outputs;
    const facts = readFileSync(marker(), "utf8");
    assert.ok(facts.includes(`NIXOS_PROMOTE_TOPLEVEL=${b}\n`), facts);
    assert.ok(facts.includes(`NIXOS_PROMOTE_TRANSACTION=${transaction?.id}\n`), facts);
  });

  it("are no reason to switch again when they are changed alone", async () => {
    const { generation } = await pointers(world.prod);
    world.configure("prod", "status: [200]", "status: [200, 302]");
    const { output } = await world.up("prod");
    assert.match(output, /1 updated/);
    assert.equal((await pointers(world.prod)).generation, generation);
  });

  it("are given up by a Ctrl-C, and prod goes back", async () => {
    await world.push("a");
    await world.up("grind");
    world.configure("prod", /sh, -c, ".*"/, `sh, -c, "touch '${marker()}-2'; sleep 29"`);
    const interrupt = new AbortController();
    const up = world.failingUp("prod", { interrupt: interrupt.signal });
    await eventually("the test runs", () => existsSync(`${marker()}-2`), 60);
    const since = Date.now();
    interrupt.abort();
    const output = await up;
    assert.ok(Date.now() - since < 20_000, output);
    await assertRuns(world.prod, b);
    assert.ok(await isActive(world.prod, "hypervisor.service"));
  });
});
