import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import type { LabHost } from "../../lab/lab.ts";
import { assertRuns, journalEnd, World } from "./world.ts";

describe("pulumi preview --stack prod", function () {
  this.timeout(90_000);
  let world: World;
  let a: string;

  before("release a on both hosts", async () => {
    world = await World.settled();
    a = await world.toplevel("a", world.prod);
  });

  after("the lab goes", () => world?.close());

  it("can be caught at changing something: a touched file shows", async () => {
    const before = await everythingOf(world.prod);
    assert.deepEqual(await everythingOf(world.prod), before);
    await world.prod.must(["touch", "/etc/somebody-was-here"]);
    const after = await everythingOf(world.prod);
    const changed = Object.keys(after).filter(
      (what) => !isDeepStrictEqual(after[what], before[what]),
    );
    assert.deepEqual(changed, ["etc", "content"]);
    await world.prod.must(["rm", "/etc/somebody-was-here"]);
  });

  it("changes nothing on prod when there is nothing to do", async () => {
    const before = await everythingOf(world.prod);
    assert.match(await world.preview("prod"), /Resources:\n {4}6 unchanged\n/);
    assert.deepEqual(await everythingOf(world.prod), before);
  });

  it("changes nothing on prod when it shows a change", async () => {
    await world.push("b");
    await world.up("grind");
    const before = await everythingOf(world.prod);
    const text = await world.preview("prod");
    assert.match(text, /~ 2 to update\n/);
    assert.match(text, /hypervisor: 1\.4\.0 -> 1\.5\.0/);
    assert.deepEqual(await everythingOf(world.prod), before);
    await assertRuns(world.prod, a);
  });

  it("changes nothing on prod when it fails half-way", async () => {
    await world.grind.must(["systemctl", "stop", "ssh.service"]);
    const before = await everythingOf(world.prod);
    const cursor = await journalEnd(world.prod);
    const ended = await world.project.pulumi(["preview", "--stack", "prod"]);
    assert.notEqual(ended.code, 0, ended.output);
    assert.notDeepEqual(await loginsSince(world.prod, cursor), [], "prod was not asked");
    assert.match(ended.output, /\[release\.builder\].*choiros-grind/);
    assert.deepEqual(await everythingOf(world.prod), before);
    await world.grind.must(["systemctl", "start", "ssh.service"]);
  });
});

async function loginsSince(host: LabHost, cursor: string): Promise<string[]> {
  const argv = ["journalctl", "--quiet", "--no-pager", "--output=cat", `--after-cursor=${cursor}`];
  return (await host.must(argv))
    .split("\n")
    .filter((line) => line.startsWith("Accepted publickey"));
}

/** Lists of everything that a release or a job of ours could change on a host. Access times do not count. */
async function everythingOf(host: LabHost): Promise<Record<string, string[]>> {
  const questions = {
    store: ["find", "/nix/store", "-maxdepth", "1"],
    profiles: ["find", "/nix/var/nix/profiles", "/nix/var/nix/gcroots", ...DETAILS],
    units: ["systemctl", "list-units", "--all", "--plain", "--no-legend", "--no-pager"],
    starts: ["systemctl", "show", "--property", "Id,InvocationID,NRestarts", "*.service"],
    system: ["readlink", "-f", "/run/current-system", "/run/booted-system"],
    etc: ["find", "/etc", ...DETAILS],
    state: ["find", "/var/lib", "/boot", "/root", ...DETAILS],
    run: ["find", "/run/nixos", "/run/nixos-promote", "/run/systemd/transient", ...DETAILS],
    content: ["find", "/etc", "/var/lib", "/boot", "-type", "f", "-exec", "sha256sum", "{}", "+"],
  };
  const answers = Object.entries(questions).map(async ([what, argv]) => {
    const said = (await host.must(argv)).split("\n");
    return [what, said.sort()] as const;
  });
  return Object.fromEntries(await Promise.all(answers));
}

const DETAILS = ["-printf", "%p %y %m %s %T@ %C@ %l\\n"];
