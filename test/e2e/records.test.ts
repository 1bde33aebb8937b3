// What a host remembers of what Pulumi did to it, with the real CLI.
import assert from "node:assert/strict";
import { hostname, userInfo } from "node:os";
import { canonicalJson, type Json } from "../../contract/canonical-json.ts";
import { history, type LedgerRecord } from "../../contract/ledger.ts";
import { snapshot } from "../../contract/snapshot.ts";
import { diffSnapshots } from "../../contract/snapshot-diff.ts";
import { ask } from "../host/on-host.ts";
import { World } from "./world.ts";

const DATA = "/opt/choiros/data";

describe("what a host remembers, with the real CLI", function () {
  this.timeout(300_000);
  let world: World;
  before("release a on both hosts, release b on grind", async () => {
    world = await World.settled();
    await world.push("b");
    await world.up("grind");
  });
  after("the lab goes", () => world?.close());

  async function records(): Promise<LedgerRecord[]> {
    return history.parse(await ask(world.prod, "history", { limit: 100 })).records;
  }
  async function output(stack: "grind" | "prod", name: string): Promise<Json> {
    const { stdout } = await world.project.must(["stack", "output", "--json", "--stack", stack]);
    return (JSON.parse(stdout) as Record<string, Json>)[name] ?? null;
  }

  it("01 an up leaves a record with its operator, its way and its steps, and the manifest", async () => {
    await world.prod.must(["bash", "-c", `mkdir -p ${DATA} && echo kept >${DATA}/hypervisor.db`]);
    world.configure(
      "prod",
      /^config:$/m,
      `config:\n  choiros:activation: {keep: {generations: 3}, data: {directories: [${DATA}], backup: always}}`,
    );
    await world.up("prod");
    const [newest, first] = await records();
    const { user, host, stack } = newest?.by ?? {};
    assert.deepEqual([user, host, stack], [userInfo().username, hostname(), "prod"]);
    assert.deepEqual([newest?.executor, newest?.outcome], ["ssh", "committed"]);
    assert.equal(newest?.toplevel, await world.toplevel("b", world.prod));
    assert.equal(newest?.previous, first?.toplevel);
    assert.ok(newest?.steps?.some(({ name }) => name === "backup"));
    const [backup] = newest?.backup?.directories ?? [];
    assert.match(await world.prod.must(["tar", "-taf", backup?.path ?? ""]), /hypervisor\.db/);

    const said = history.parse(await ask(world.prod, "history", { toplevel: newest?.toplevel }));
    const { manifest } = (await output("grind", "release")) as { manifest: Json };
    assert.equal(said.manifest, canonicalJson(manifest));
    assert.deepEqual(
      said.releases.map(({ valid }) => valid),
      [true, true],
    );
  });

  it("02 a second up changes nothing, and leaves no record", async () => {
    const before = (await records()).length;
    await world.up("prod", {}, ["--expect-no-changes"]);
    assert.equal((await records()).length, before);
    assert.doesNotMatch(await world.preview("prod"), /manifest/);
  });

  it("03 a release that does not stay leaves a record too", async () => {
    await world.push("c-503");
    const failed = await world.project.pulumi([
      "up",
      "--yes",
      "--skip-preview",
      "--stack",
      "grind",
    ]);
    assert.notEqual(failed.code, 0, "grind does not take it");
    const [newest] = history.parse(await ask(world.grind, "history", {})).records;
    assert.deepEqual([newest?.outcome, newest?.by?.stack], ["rolled-back", "grind"]);
    assert.match(newest?.reason ?? "", /hypervisor is not healthy: 503/);
  });

  it("04 snapshots of both hosts tell the same release, and then which of them is sick", async () => {
    const question = {
      units: ["hypervisor.service", "caddy.service"],
      ...{ directories: [DATA], repo: "/opt/choiros/workspace" },
      probes: [{ name: "hypervisor", kind: "http", url: "http://127.0.0.1:9090/login" }],
    };
    const of = async (host: typeof world.prod) =>
      snapshot.parse(await ask(host, "snapshot", question));
    const healthy = await of(world.prod);
    assert.deepEqual(healthy.health, {
      hypervisor: { state: "ok", target: "http://127.0.0.1:9090/login" },
    });
    await world.prod.must(["systemctl", "stop", "hypervisor"]);
    const { verdict, sentence } = diffSnapshots(healthy, await of(world.prod));
    await world.prod.must(["systemctl", "start", "hypervisor"]);
    assert.equal(verdict, "same-binaries", sentence);
    assert.match(sentence, /health of hypervisor.*Look at the data \(\/opt\/choiros\/data\)/);
  });
});
