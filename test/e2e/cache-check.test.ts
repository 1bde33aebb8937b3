import assert from "node:assert/strict";
import { withSettings } from "./faults.ts";
import { eventually, World } from "./world.ts";

const CACHE = "/srv/cache";
const PORT = 8088;
const NOBODY = "http://127.0.0.1:9";

interface Finding {
  readonly state: string;
  readonly about: string;
  readonly says: string;
}

describe("the check of caches on the command line", function () {
  this.timeout(300_000);
  let world: World;
  let http: string;

  before("release a on both hosts, b on grind, and an empty cache there", async () => {
    world = await World.settled();
    http = `http://${world.grind.address}:${PORT}`;
    const serve = ["python3", "-m", "http.server", String(PORT), "--directory", CACHE];
    await world.grind.must(["mkdir", "-p", CACHE]);
    await world.grind.must(["systemd-run", "--quiet", "--unit=serve-cache", "--", ...serve]);
    await eventually("the cache is served", () =>
      fetch(http).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    await world.push("b");
    await world.up("grind");
  });

  after("the lab goes", () => world?.close());

  async function check(code: number, copy: object, command = "cache-check"): Promise<Finding[]> {
    const ended = await withSettings(world, "prod", { copy }, () =>
      world.project.promote([command, "--stack", "prod", "--json"]),
    );
    assert.equal(ended.code, code, ended.output);
    return (JSON.parse(ended.stdout) as { findings: Finding[] }).findings;
  }

  function told(findings: readonly Finding[], state: string): string {
    const lines = findings.filter((one) => one.state === state);
    return lines.map(({ about, says }) => `${about}: ${says}`).join("\n");
  }

  const via = (...caches: object[]) => ({ via: "cache", caches });

  it("where none takes part says so, and what the host itself has", async () => {
    const said = told(await check(0, { via: "direct", to: "choiros-prod" }), "ok");
    assert.match(said, /configured: \[copy\.via\] is direct: no cache takes part/);
    assert.match(said, /host: its own substituters are /);
  });

  it("an empty cache that the builder fills is fine", async () => {
    const said = told(await check(0, via({ pull: http, push: `file://${CACHE}` })), "ok");
    assert.match(
      said,
      new RegExp(`caches: \\d+ paths come from ${http}, which the builder fills first`),
    );
    assert.match(said, /trust: the host trusts lab-1/);
  });

  it("one that nobody fills fails", async () => {
    const said = told(await check(1, via({ pull: http })), "fail");
    assert.match(
      said,
      /\[copy\.caches\] \d+ of \d+ paths are in no cache that choiros-prod can fetch them from/,
    );
  });

  it("one that does not answer is a warning beside another, and fails alone", async () => {
    const filled = { pull: http, push: `file://${CACHE}` };
    assert.match(
      told(await check(0, via(filled, { pull: NOBODY })), "warn"),
      /127\.0\.0\.1:9 cannot be reached/,
    );
    assert.match(
      told(await check(1, via({ pull: NOBODY })), "fail"),
      /127\.0\.0\.1:9 cannot be reached/,
    );
    assert.match(
      told(await check(1, { ...via(filled, { pull: NOBODY }), check: "fail" }), "fail"),
      /127\.0\.0\.1:9 cannot be reached/,
    );
  });

  it("one that has all of it says so, and the doctor too", async () => {
    const b = await world.toplevel("b", world.prod);
    const copy = ["copy", "--to", `file://${CACHE}`, b];
    await world.grind.must(["nix", "--extra-experimental-features", "nix-command", ...copy]);
    for (const command of ["cache-check", "doctor"]) {
      const findings = await check(0, via({ pull: http }), command);
      assert.match(told(findings, "ok"), new RegExp(`caches: \\d+ paths come from ${http}$`, "m"));
    }
  });
});
