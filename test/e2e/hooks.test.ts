import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { skip } from "../run/skip.ts";
import { assertRuns, World } from "./world.ts";

/** Where the CLI looks for a plugin that it may not download. */
function commandPlugin(): string | undefined {
  const home = process.env.PULUMI_HOME ?? join(homedir(), ".pulumi");
  const installed = globSync("resource-command-v1.*/pulumi-resource-command", {
    cwd: join(home, "plugins"),
  }).map((file) => join(home, "plugins", file));
  const onPath = (process.env.PATH ?? "")
    .split(delimiter)
    .map((directory) => join(directory, "pulumi-resource-command"));
  return [...installed, ...onPath].find((file) => existsSync(file));
}

describe("hooks around an activation of prod, by the plugin of @pulumi/command", function () {
  this.timeout(300_000);
  let world: World;
  const log = () => `${world.project.directory}/hooks`;

  before("release a on both hosts, b on grind", async function () {
    if (commandPlugin() === undefined)
      skip(
        this,
        "this machine has no plugin pulumi-resource-command (`pulumi plugin install resource command 1.2.1`); test/program/hooks.test.ts runs the same commands without it",
      );
    world = await World.settled();
    await world.push("b");
    await world.up("grind");
    const note = (what: string) =>
      `[sh, -c, 'echo "$1 $NIXOS_PROMOTE_TOPLEVEL" >>"$2"', note, ${what}, '${log()}']`;
    const lines = [
      "  choiros:hooks:",
      `    before: [{kind: command, name: note, argv: ${note("before")}}]`,
      `    after: [{kind: command, name: note, argv: ${note("after")}}]`,
    ];
    world.configure("prod", "config:\n", `config:\n${lines.join("\n")}\n`);
  });

  after("the lab goes", () => world?.close());

  it("run once each, before and after, and know the release", async () => {
    const b = await world.toplevel("b", world.prod);
    await world.up("prod");
    assert.equal(readFileSync(log(), "utf8"), `before ${b}\nafter ${b}\n`);
  });

  it("do not run where nothing is activated", async () => {
    const before = readFileSync(log(), "utf8");
    const { output } = await world.up("prod");
    assert.doesNotMatch(output, /created|updated|replaced/);
    assert.equal(readFileSync(log(), "utf8"), before);
  });

  it("keep the host as it is when one before fails", async () => {
    const b = await world.toplevel("b", world.prod);
    await world.push("a");
    await world.up("grind");
    world.configure("prod", /before: .*/, "before: [{kind: command, name: note, argv: ['false']}]");
    await world.failingUp("prod");
    await assertRuns(world.prod, b);
  });
});
