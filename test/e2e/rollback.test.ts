import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { manifest } from "../../contract/manifest.ts";
import { parseManifestEnv } from "../../contract/manifest-env.ts";
import { releaseId } from "../../contract/release-id.ts";
import { assertRuns, invocations, touched, World } from "./world.ts";

const NO_BACKEND = { env: { PULUMI_BACKEND_URL: "file:///nowhere" } };

describe("the way back on the command line", function () {
  this.timeout(300_000);
  let world: World;
  let a: string;
  let b: string;
  let rev: { readonly a: string; readonly b: string };

  before("releases a and b, one after the other, on both hosts", async () => {
    world = await World.settled();
    await world.push("b");
    await world.up("grind");
    await world.up("prod");
    a = await world.toplevel("a", world.prod);
    b = await world.toplevel("b", world.prod);
    const revision = async (name: string) =>
      (
        await world.grind.must([
          "git",
          "-C",
          "/opt/choiros/workspace",
          "rev-parse",
          `${name}^{commit}`,
        ])
      ).trim();
    rev = { a: await revision("a"), b: await revision("b") };
  });

  after("the lab goes", () => world?.close());

  const promote = (args: readonly string[], options = {}) => world.project.promote(args, options);
  const settingsText = () => readFileSync(world.project.stackFile("prod"), "utf8");

  async function document<T>(code: number, args: readonly string[], options = {}): Promise<T> {
    const ended = await promote([...args, "--json"], options);
    assert.equal(ended.code, code, ended.output);
    return JSON.parse(ended.stdout) as T;
  }

  it("history has what the host did, and numbers what can be gone back to", async () => {
    const { past, records } = await document<{
      past: { back: number; rev: string; valid: boolean }[];
      records: { outcome: string; by: { stack: string } }[];
    }>(0, ["history"], NO_BACKEND);
    assert.deepEqual(
      past.map(({ back, rev, valid }) => [back, rev, valid]),
      [
        [0, rev.b, true],
        [1, rev.a, true],
      ],
    );
    assert.deepEqual(
      records.map(({ outcome, by }) => [outcome, by.stack]),
      [
        ["committed", "prod"],
        ["committed", "prod"],
      ],
    );
    const { output } = await promote(["history"], NO_BACKEND);
    assert.match(
      output,
      /^1 {3}\S+ \S+ {2}committed {2}[0-9a-f]{12} hypervisor 1\.4\.0.* {2}\S+@\S+ \(stack prod\)$/m,
    );
  });

  it("has the manifests of both, as JSON and as shell variables that are read back as data", async () => {
    const before = await promote(["manifest", "--to", "1"], NO_BACKEND);
    assert.equal(before.code, 0, before.output);
    const kept = manifest.parse(JSON.parse(before.stdout));
    assert.equal(kept.id, releaseId(kept));
    assert.equal(kept.rev, rev.a);
    assert.equal(kept.hosts["choiros-prod"]?.path, a);
    const lines = await promote(["manifest", "--format", "env"], NO_BACKEND);
    const { rev: told, components } = parseManifestEnv(lines.stdout);
    assert.equal(told, rev.b);
    assert.ok(
      existsSync(`${world.grind.root}${components.hypervisor.path}/${components.hypervisor.file}`),
    );
    const none = await promote(["manifest", "--to", "7"], NO_BACKEND);
    assert.equal(none.code, 1);
    assert.match(none.output, /remembers 2 releases, so --to goes up to 1/);
  });

  it("without an answer nothing changes, and the pin is taken back", async () => {
    const before = settingsText();
    const { code, output } = await promote(["rollback"]);
    assert.equal(code, 5, output);
    assert.match(output, /choiros-prod goes back to [0-9a-f]{12} hypervisor 1\.4\.0/);
    assert.match(output, /hypervisor: 1\.5\.0 -> 1\.4\.0/);
    assert.match(output, /The pin was taken back\./);
    assert.equal(settingsText(), before);
    await assertRuns(world.prod, b);
  });

  it("one step: pinned, previewed, and run by the same transaction", async () => {
    const said = await document<{ outcome: string; pin: { manifest: string } }>(0, [
      "rollback",
      "--yes",
    ]);
    assert.equal(said.outcome, "rolled back");
    await assertRuns(world.prod, a);
    assert.equal(said.pin.manifest, `releases/prod-${rev.a.slice(0, 12)}.json`);
    assert.ok(existsSync(`${world.project.directory}/${said.pin.manifest}`));
    assert.match((await world.login(world.prod)).body, /hypervisor 1\.4\.0/);
  });

  it("stays there: an up changes nothing, and promote refuses to go on by itself", async () => {
    const before = await invocations(world.prod);
    assert.match((await world.up("prod")).output, /pinned|unchanged/i);
    assert.deepEqual(touched(before, await invocations(world.prod)), []);
    await assertRuns(world.prod, a);
    const { code, output } = await promote(["--yes"]);
    assert.equal(code, 1, output);
    assert.match(output, /prod is pinned to releases\/prod-.*promote unpin --stack prod/);
  });

  it("by the beginning of a commit, also while it is pinned to another", async () => {
    await document(0, ["rollback", "--to", rev.b.slice(0, 8), "--yes"]);
    await assertRuns(world.prod, b);
  });

  it("unpin lets it follow again, and is done once", async () => {
    const { unpinned } = await document<{ unpinned: object | null }>(0, ["unpin"]);
    assert.ok(unpinned);
    assert.doesNotMatch(settingsText(), /choiros:pin/);
    assert.equal((await document<{ unpinned: null }>(0, ["unpin"])).unpinned, null);
    await world.up("prod");
    await assertRuns(world.prod, b);
  });

  it("of a host that builds is a pin to the revision", async () => {
    const { pin } = await document<{ pin: { rev: string } }>(0, [
      "rollback",
      "--stack",
      "grind",
      "--yes",
    ]);
    assert.deepEqual(pin, { rev: rev.a });
    await assertRuns(world.grind, await world.toplevel("a", world.grind));
    await document(0, ["unpin", "--stack", "grind"]);
    await world.up("grind");
    await assertRuns(world.grind, await world.toplevel("b", world.grind));
  });

  it("says what there is when it is asked for something else", async () => {
    const before = settingsText();
    const { code, output } = await promote(["rollback", "--to", "beef"]);
    assert.equal(code, 2, output);
    assert.match(output, /has committed no release beef\. It has: 0 \([0-9a-f]{12}\), 1 \(/);
    assert.equal(settingsText(), before);
  });

  describe("without Pulumi's backend", () => {
    it("the host is asked itself, and proves the release as ever", async () => {
      const { outcome, pin } = await document<{ outcome: string; pin: object | null }>(
        0,
        ["rollback", "--emergency", "--yes"],
        NO_BACKEND,
      );
      assert.equal(outcome, "rolled back");
      assert.ok(pin);
      await assertRuns(world.prod, a);
      const { records } = await document<{ records: { by: { stack: string } }[] }>(0, ["history"]);
      assert.equal(records[0]?.by.stack, "prod");
    });

    it("the next preview takes it in: an up records it, and touches nothing", async () => {
      const before = await invocations(world.prod);
      assert.doesNotMatch(await world.preview("prod"), /hypervisor: 1\.4\.0 -> 1\.5\.0/);
      await world.up("prod");
      await assertRuns(world.prod, a);
      assert.deepEqual(touched(before, await invocations(world.prod)), []);
      assert.equal((await world.profile("prod")).inputs.toplevel, a);
    });

    it("what is not healthy is not taken: the host is back where it was", async () => {
      await document(0, ["unpin"]);
      await world.up("prod");
      world.configure(
        "prod",
        /status: .*|(url: "http:\/\/127\.0\.0\.1:9090\/login")/,
        "$1, status: [418]",
      );
      const { code, output } = await promote(["rollback", "--emergency", "--yes"], NO_BACKEND);
      world.configure("prod", ", status: [418]", "");
      assert.equal(code, 1, output);
      assert.match(output, /did not take release [0-9a-f]{12}: hypervisor is not healthy: 200/);
      assert.match(output, /It rolled back by itself: choiros-prod runs /);
      await assertRuns(world.prod, b);
      assert.doesNotMatch(settingsText(), /choiros:pin/);
    });
  });

  describe("snapshot", () => {
    it("is a document, a file, or lines of key=value", async () => {
      const file = `${world.project.directory}/before.json`;
      assert.equal((await promote(["snapshot", "-o", file])).code, 0);
      assert.equal(
        (JSON.parse(readFileSync(file, "utf8")) as { currentSystem: string }).currentSystem,
        b,
      );
      const env = await promote(["snapshot", "--host", "choiros-prod", "--format", "env"]);
      assert.match(env.stdout, new RegExp(`^current_system=${b.replaceAll(".", "\\.")}$`, "m"));
    });

    it("is compared by what a difference means: a stopped unit is behaviour, on the same binaries", async () => {
      assert.equal((await promote(["snapshot", "diff", "before.json", "prod"])).code, 0);
      await world.prod.must(["systemctl", "stop", "container@sandbox-dev.service"]);
      const { verdict, differences } = await document<{
        verdict: string;
        differences: { about: string; what: string }[];
      }>(3, ["snapshot", "diff", "before.json", "prod"]);
      await world.prod.must(["systemctl", "start", "container@sandbox-dev.service"]);
      assert.equal(verdict, "same-binaries");
      assert.ok(
        differences.some(({ about, what }) => about === "behaviour" && /sandbox_dev/.test(what)),
      );
    });

    it("of a file that is none is refused by its name", async () => {
      writeFileSync(`${world.project.directory}/nonsense.json`, "{}");
      const { code, output } = await promote(["snapshot", "diff", "nonsense.json", "prod"]);
      assert.equal(code, 2, output);
      assert.match(output, /nonsense\.json is no snapshot/);
    });
  });

  describe("to a release whose paths are gone from the host", () => {
    before("a third release, and garbage is collected on both hosts", async () => {
      await promote(["unpin"]);
      for (const release of ["b", "new-unit"]) {
        await world.push(release);
        await world.up("grind");
        await world.up("prod");
      }
      for (const host of [world.prod, world.grind])
        await host.must(["nix-collect-garbage", "--delete-old"]);
    });

    it("copies them again from the host that builds, which still holds them", async () => {
      assert.notEqual((await world.prod.exec(["nix-store", "--check-validity", a])).code, 0);
      const { past } = await document<{ past: { rev: string; valid: boolean }[] }>(0, ["history"]);
      assert.equal(past.find((release) => release.rev === rev.a)?.valid, false);
      await document(0, ["rollback", "--to", rev.a, "--yes"]);
      await assertRuns(world.prod, a);
      await world.prod.must(["nix-store", "--verify-path", a]);
    });
  });

  describe("to a release that no host has on record any more", () => {
    const forget =
      "cd /var/lib/nixos-promote && sed -i /FORGOTTEN/d ledger.jsonl && rm -f releases/*";

    before("both ledgers lose b, and all manifests are gone", async () => {
      await promote(["unpin"]);
      await world.up("prod");
      for (const host of [world.prod, world.grind])
        await host.must(["bash", "-euc", forget.replace("FORGOTTEN", rev.b)]);
    });

    it("is refused without Pulumi, with what there is", async () => {
      const said = await document<{ error: { message: string } }>(
        2,
        ["rollback", "--to", rev.b, "--yes"],
        NO_BACKEND,
      );
      assert.match(said.error.message, /has committed no release [0-9a-f]{40}\. It has: 0 \(/);
      assert.doesNotMatch(said.error.message, new RegExp(`\\(${rev.b.slice(0, 12)}\\)`));
    });

    it("finds it and its manifest in Pulumi's own history", async () => {
      const { to } = await document<{ to: { rev: string; back: number; valid: null } }>(0, [
        ...["rollback", "--to", rev.b.slice(0, 9), "--yes"],
      ]);
      assert.deepEqual([to.rev, to.valid], [rev.b, null]);
      await assertRuns(world.prod, b);
    });

    it("has the manifest of one whose manifest alone is gone", async () => {
      await world.prod.must(["bash", "-euc", "rm -f /var/lib/nixos-promote/releases/*"]);
      const { code, stdout, output } = await promote(["manifest", "--to", rev.b]);
      assert.equal(code, 0, output);
      assert.equal(manifest.parse(JSON.parse(stdout)).rev, rev.b);
    });
  });
});
