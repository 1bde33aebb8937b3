import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { anyManifest, type Manifest } from "../../contract/manifest.ts";
import { formatManifestEnv, manifestEnvOf } from "../../contract/manifest-env.ts";
import { releaseId } from "../../contract/release-id.ts";
import { type Changes, during, leavesAlone, refusal, snapshot, withSettings } from "./faults.ts";
import { assertRuns, invocations, REPOSITORY, World } from "./world.ts";

const KEYS = "/var/lib/nixos-promote/keys";
const GRIND = { kind: "ssh", host: "choiros-grind" };

describe("what a release has to be", function () {
  this.timeout(300_000);
  let world: World;
  let a: string;
  let b: string;
  let shaA: string;
  /** What grind offered while it ran release a. */
  let manifestA: Manifest;

  before("release a on both hosts, then b on grind", async () => {
    world = await World.settled();
    [a, b] = [await world.toplevel("a", world.prod), await world.toplevel("b", world.prod)];
    shaA = (await world.grind.must(["git", "-C", REPOSITORY, "rev-parse", "a"])).trim();
    manifestA = await offered();
    await world.push("b");
    await world.up("grind");
  });

  after("the lab goes", () => world?.close());

  async function offered(): Promise<Manifest> {
    const { release } = (await world.project.outputs("grind")) as {
      release: { manifest: unknown };
    };
    const manifest = anyManifest.parse(release.manifest);
    assert.ok(manifest.schema === 2);
    return manifest;
  }

  const up = (stack: "grind" | "prod", changes: Changes) =>
    withSettings(world, stack, changes, () => world.up(stack));

  /** A refusal that leaves the host alone. */
  const refuses = (stack: "grind" | "prod", changes: Changes, message: RegExp) =>
    leavesAlone(stack === "grind" ? world.grind : world.prod, async () =>
      assert.match(await refusal(world, stack, changes), message),
    );

  /** The same of a release that can be evaluated: the builder has begun a job, and holds nothing of it. */
  const refusesToBuild = async (changes: Changes, message: RegExp) => {
    const { records: _before, ...before } = await snapshot(world.grind);
    assert.match(await refusal(world, "grind", changes), message);
    const { records: _after, ...after } = await snapshot(world.grind);
    assert.deepEqual(after, before);
  };

  const inProject = (file: string, content: unknown) =>
    writeFileSync(`${world.project.directory}/${file}`, JSON.stringify(content));

  it("grind offers a manifest: the system of each host, when it was built, and an id of it all", async () => {
    const outputs = await world.project.outputs("grind");
    const manifest = await offered();
    assert.equal(manifest.id, releaseId(manifest));
    assert.equal((outputs["release"] as { id: string }).id, manifest.id);
    assert.equal(manifest.hosts["choiros-prod"]?.path, b);
    for (const { system } of Object.values(manifest.hosts)) assert.equal(system, "x86_64-linux");
    assert.deepEqual(Object.keys(manifest.components), ["x86_64-linux"]);
    const now = Date.now() / 1000;
    const { finishedAt } = (await world.profile("grind")).outputs.transaction as unknown as {
      finishedAt: number;
    };
    assert.equal(outputs["healthySince"], finishedAt);
    assert.ok(
      manifest.builtAt <= finishedAt && now - 600 < manifest.builtAt,
      `${manifest.builtAt}`,
    );
    assert.notEqual(manifest.id, manifestA.id);
  });

  it("as shell variables it is what grind has built, behind links on prod; anything else is refused", async () => {
    const files = { sandbox: "bin/sandbox", hypervisor: "bin/hypervisor", desktop: "bin/ui" };
    const where = { host: "choiros-prod", repo: REPOSITORY, files };
    const manifest = await offered();
    const text = formatManifestEnv(manifestEnvOf(manifest, where));
    const file = `${world.project.directory}/release.env`;
    writeFileSync(file, text);
    const link = { component: "hypervisor", file: "bin/hypervisor" };
    const links = { directory: "/opt/tools", files: { hypervisor: link }, restart: [] };
    const changes = {
      release: { from: "manifest", file: "release.env", builder: GRIND },
      activation: { strategy: "links", links },
    };
    const before = (await invocations(world.prod))["hypervisor.service"];
    await world.prod.must(["mkdir", "-p", links.directory]);
    await up("prod", changes);
    const leads = (await world.prod.must(["readlink", "/opt/tools/hypervisor"])).trim();
    const { path } = manifest.components["x86_64-linux"]?.["hypervisor"] ?? {};
    assert.equal(leads, `${path}/bin/hypervisor`);
    assert.equal((await invocations(world.prod))["hypervisor.service"], before);
    writeFileSync(file, text.replace(/^REPO_ROOT=.*$/m, "REPO_ROOT=$(touch /tmp/owned)"));
    await refuses(
      "prod",
      changes,
      /\[release\.file\] The manifest release\.env cannot be taken: REPO_ROOT must be an absolute path/,
    );
  });

  describe("01 healthy for long enough", () => {
    it("is asked of grind: prod stays as it is until then", () =>
      refuses(
        "prod",
        { "release.minHealthySeconds": 86_400 },
        /\[release\.minHealthySeconds\] grind runs release [0-9a-f]{12} healthy for \d+ s, and 86400 s are asked for\. Run again after 20\d\d-/,
      ));

    it("lets it through afterwards", async () => {
      await up("prod", { "release.minHealthySeconds": 1 });
      await assertRuns(world.prod, b);
    });
  });

  describe("02 committed, and on its branch", () => {
    const dirty = `${REPOSITORY}/notes.txt`;
    const whileDirty = (work: () => Promise<unknown>) =>
      during(
        () => world.grind.must(["touch", dirty]),
        () => world.grind.must(["rm", dirty]),
        work,
      );

    it("is refused while the working tree holds what is in no commit", () =>
      whileDirty(async () => {
        await refuses(
          "grind",
          {},
          /\[release\.requireClean\] .*has changes that are in no commit: \?\? notes\.txt\. Commit, stash or remove/,
        );
        await up("grind", { "release.requireClean": false });
      }));

    it("is refused when it is not on the branch", () =>
      refuses(
        "grind",
        { "release.rev": "c-prod", "release.branch": "main" },
        /\[release\.branch\] .*The commit [0-9a-f]{40} is not on the branch 'main'/,
      ));
  });

  describe("03 pinned", () => {
    const config = (...args: string[]) =>
      world.project.must(["config", ...args, "--stack", "grind"]);

    it("to a commit, grind goes back to it whatever the branch says, and says so", async () => {
      await config("set", "--path", "pin.rev", shaA);
      const said = await world.preview("grind");
      assert.match(said, /Pinned to release [0-9a-f]{12} by \[pin\].*until `pulumi config rm pin`/);
      await world.up("grind");
      await assertRuns(world.grind, await world.toplevel("a", world.grind));
      const outputs = await world.project.outputs("grind");
      assert.deepEqual(outputs["pinned"], { rev: shaA });
      // The branch does not count, and what was built before is the same release.
      assert.deepEqual(
        { ...(await offered()), id: "", builtAt: 0 },
        { ...manifestA, id: "", builtAt: 0 },
      );
    });

    it("to a commit that the repository does not have, is refused by the pin's name", () =>
      refuses("grind", { pin: { rev: "1".repeat(40) } }, /\[pin\.rev\] .*no revision '1{40}'/));

    it("no more, grind follows its branch again", async () => {
      await config("rm", "pin");
      await world.up("grind");
      await assertRuns(world.grind, await world.toplevel("b", world.grind));
      assert.equal((await world.project.outputs("grind"))["pinned"], null);
    });

    it("to a manifest, prod goes back to what it still has; nobody is asked for it", async () => {
      inProject("a.json", manifestA);
      await during(
        () => world.grind.must(["ip", "route", "add", "unreachable", world.prod.address]),
        () => world.grind.must(["ip", "route", "del", "unreachable", world.prod.address]),
        async () => {
          const pin = { manifest: "a.json" };
          const said = await withSettings(world, "prod", { pin }, () => world.preview("prod"));
          assert.match(said, /Pinned to release/);
          assert.match(said, /packages +hypervisor: 1\.5\.0 -> 1\.4\.0/);
          await up("prod", { pin });
        },
      );
      await assertRuns(world.prod, a);
      assert.deepEqual((await world.project.outputs("prod"))["pinned"], { manifest: "a.json" });
    });
  });

  describe("04 kept in a file", () => {
    it("is refused where the host lacks it and nobody is named who has it", async () => {
      await world.push("new-unit");
      await world.up("grind");
      inProject("new.json", await offered());
      await refuses(
        "prod",
        { release: { from: "manifest", file: "new.json" } },
        /is not in the store of choiros-prod\..*\[release\.builder\]/,
      );
    });

    it("is copied from its builder", async () => {
      await up("prod", { release: { from: "manifest", file: "new.json", builder: GRIND } });
      await assertRuns(world.prod, await world.toplevel("new-unit", world.prod));
    });

    it("is refused when the file is not there, or has been changed", async () => {
      const of = (file: string) => ({ release: { from: "manifest", file, builder: GRIND } });
      await refuses(
        "prod",
        of("none.json"),
        /\[release\.file\] The manifest none\.json cannot be read: ENOENT/,
      );
      inProject("changed.json", { ...manifestA, builtAt: 1 });
      await refuses("prod", of("changed.json"), /\[release\.file\] .*was changed: its id/);
    });
  });

  describe("05 signed", () => {
    let directory: string;
    let signed: Manifest;
    const key = `${KEYS}/release`;
    const of = (file: string, signers = "signers") => ({
      release: {
        from: "manifest",
        file,
        builder: GRIND,
        allowedSigners: `${directory}/${signers}`,
      },
    });

    before("grind has a key, and prod its public half", async () => {
      directory = mkdtempSync("/tmp/nixos-promote-e2e-");
      for (const name of ["release", "other"]) {
        await world.grind.must([
          "ssh-keygen",
          "-q",
          "-t",
          "ed25519",
          "-N",
          "",
          "-f",
          `${KEYS}/${name}`,
        ]);
        const half = await world.grind.must(["cat", `${KEYS}/${name}.pub`]);
        const signers = name === "release" ? "signers" : "others";
        writeFileSync(`${directory}/${signers}`, `release@example.com ${half}`);
      }
    });
    after(() => rmSync(directory, { recursive: true }));

    it("is refused as long as it is not", () =>
      refuses(
        "prod",
        { "release.allowedSigners": `${directory}/signers` },
        /\[release\.allowedSigners\] The release that grind offers is not signed: set \[release\.manifestKeyFile\] there/,
      ));

    it("needs a key that is there, which is found out before the build", () =>
      refusesToBuild(
        { "release.manifestKeyFile": `${KEYS}/none` },
        /\[release\.manifestKeyFile\] There is no signing key at '\S+\/none' on the builder/,
      ));

    it("by grind, is taken; the same release keeps its id, and the key its place", async () => {
      const { id } = await offered();
      await up("grind", {
        "release.manifestKeyFile": key,
        "release.changesSchema": ["hypervisor.db"],
      });
      signed = await offered();
      assert.deepEqual(signed.changesSchema, ["hypervisor.db"]);
      assert.notEqual(signed.id, id); // it says more
      assert.match(signed.signature ?? "", /^-----BEGIN SSH SIGNATURE-----\n/);
      await up("prod", { "release.allowedSigners": `${directory}/signers` });
      const secret = (await world.grind.must(["cat", key])).split("\n")[2] ?? "";
      const state = await world.project.must(["stack", "export", "--stack", "grind"]);
      assert.ok(secret.length > 40 && !state.stdout.includes(secret));
    });

    it("is refused by another key, changed, for another release, and without the file of signers", async () => {
      const sentence = (what: string) =>
        new RegExp(`\\[release\\.allowedSigners\\] The manifest \\S+ ${what}`);
      inProject("signed.json", signed);
      await refuses(
        "prod",
        of("signed.json", "others"),
        sentence("is not to be trusted. The signature is by none of the allowed signers"),
      );
      const changed = { ...signed, subject: "another" };
      inProject("changed.json", { ...changed, id: releaseId(changed) });
      await refuses(
        "prod",
        of("changed.json"),
        sentence(
          "is not to be trusted. The signature is not one of release@example.com for this release",
        ),
      );
      inProject("swapped.json", { ...manifestA, signature: signed.signature });
      await refuses("prod", of("swapped.json"), sentence("is not to be trusted"));
      await refuses(
        "prod",
        of("signed.json", "nobody"),
        /\[release\.allowedSigners\] There is no file \S+nobody/,
      );
      await refuses(
        "prod",
        { ...of("a.json"), pin: { manifest: "a.json" } },
        sentence("is not signed"),
      );
    });

    it("is taken from the file that was kept", async () => {
      await up("prod", of("signed.json"));
      assert.match(readFileSync(`${world.project.directory}/signed.json`, "utf8"), /SSH SIGNATURE/);
    });
  });

  describe("06 for hosts of two systems", () => {
    const edge = { name: "choiros-edge", system: "aarch64-linux" };
    const two = { "release.rev": "edge", "release.hosts": ["choiros-grind", "choiros-prod", edge] };

    it("is one evaluation, which a preview shows; a builder of one system is refused by name", async () => {
      await withSettings(world, "grind", two, () => world.preview("grind"));
      await refusesToBuild(
        two,
        /\[release\.hosts\] The builder builds nothing for aarch64-linux\. Give it a remote builder/,
      );
    });

    it("that are not what the settings say is refused before anything is built", () =>
      refuses(
        "grind",
        { ...two, "release.hosts": ["choiros-grind", "choiros-edge"] },
        /\[release\.hosts\] .*nixosConfigurations\.choiros-edge is for aarch64-linux, not for x86_64-linux\. Write \{name: choiros-edge, system: aarch64-linux\}/,
      ));

    it("is built by a builder of both, and no host takes the system of another", async () => {
      await world.grind.must([
        "bash",
        "-c",
        "echo 'extra-platforms = aarch64-linux' >>/etc/nix/nix.conf",
      ]);
      await up("grind", two);
      const { hosts, components } = await offered();
      assert.equal(hosts["choiros-edge"]?.system, "aarch64-linux");
      assert.deepEqual(Object.keys(components).sort(), ["aarch64-linux", "x86_64-linux"]);
      assert.match(
        await refusal(world, "prod", { "host.name": "choiros-edge" }),
        /built for 'aarch64-linux', the host is x86_64-linux/,
      );
      await assertRuns(world.prod, await world.toplevel("new-unit", world.prod));
    });

    it("is refused where hosts of one system have different ones of what they share", () =>
      refusesToBuild(
        { "release.rev": "mixed" },
        /\[release\.components\] choiros-grind has \S+-hypervisor-1\.4\.0, which the release ships, and choiros-prod has \S+-hypervisor-1\.4\.1\./,
      ));
  });
});
