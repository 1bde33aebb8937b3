import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { signedText } from "../../contract/release-id.ts";
import { verifySignatureInputs } from "../../contract/resources.ts";
import { PLAN, resolved, runProgram } from "../support/program.ts";
import {
  EVALUATION,
  GRIND,
  MANIFEST,
  MANIFEST_1,
  PROD,
  pathOf,
  REV,
  SYSTEM_B,
  withId,
} from "../support/samples.ts";

const now = () => Math.floor(Date.now() / 1000);
const release = { rev: REV, subject: EVALUATION.subject, manifest: MANIFEST, builder: GRIND };
const fixture = new URL("../fixtures/release.env", import.meta.url);
const verifying = "nixos:index:verifySignature";

describe("a release that must have been healthy for a while", () => {
  const run = (minHealthySeconds: number, more: object) =>
    runProgram({
      stack: "prod",
      offer: { release, healthy: true, ...more },
      config: { "choiros:release": { from: "stack", stack: "grind", minHealthySeconds } },
    });

  it("is taken when it has been", async () => {
    const ran = await run(60, { healthySince: now() - 61 });
    assert.equal(ran.inputsOf("nixos:index:SystemProfile")["toplevel"], SYSTEM_B);
  });

  it("is refused before, with the time at which it will have been", async () => {
    const healthySince = now() - 20;
    const at = new Date((healthySince + 60) * 1000).toISOString().slice(0, 19);
    await assert.rejects(run(60, { healthySince }), ({ message }: Error) => {
      assert.match(
        message,
        /^\[release\.minHealthySeconds\] grind runs release 9ace77e00000 healthy for 2[01] s, and 60 s are asked for\./,
      );
      assert.ok(message.includes(`Run again after ${at}Z, or lower the setting.`), message);
      return true;
    });
  });

  for (const [what, more] of [
    ["grind does not say since when, as an earlier version did not", {}],
    ["grind has seen no transaction", { healthySince: null }],
  ] as const)
    it(`is refused when ${what}`, () =>
      assert.rejects(run(1, more), {
        message:
          "[release.minHealthySeconds] grind runs release 9ace77e00000 healthy, and does not say since when. Run `pulumi up --stack grind`.",
      }));

  it("is refused when grind's clock is ahead", () =>
    assert.rejects(run(60, { healthySince: now() + 3600 }), /healthy for 0 s, and 60 s/));

  it("need not say since when if no time is asked for", () => run(0, {}));
});

describe("a release of a file", () => {
  let directory: string;
  let file: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "nixos-promote-test-"));
    file = join(directory, "release.json");
    writeFileSync(file, JSON.stringify(MANIFEST, null, 2));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const run = (more: object = {}, world: object = {}) =>
    runProgram({
      stack: "prod",
      config: { "choiros:release": { from: "manifest", file, ...more } },
      ...world,
    });

  it("is copied from its builder, and asks no stack", async () => {
    const ran = await run({ builder: GRIND });
    assert.ok(!ran.resources.some(({ type }) => type === "pulumi:pulumi:StackReference"));
    const { path, transport } = ran.inputsOf("nixos:index:Closure");
    assert.equal(path, SYSTEM_B);
    assert.deepEqual(transport, { via: "direct", to: "choiros-prod", builder: GRIND });
    assert.deepEqual(await resolved(ran.outputs["release"]), {
      ...{ id: MANIFEST.id, rev: REV, subject: EVALUATION.subject, toplevel: SYSTEM_B },
    });
    assert.deepEqual(ran.calls, []);
  });

  it("without a builder must be on the host already, which is asked for the plan too", async () => {
    const ran = await run({}, { preview: true });
    assert.deepEqual(ran.inputsOf("nixos:index:Closure")["transport"], { via: "built-here" });
    const plan = ran.calls.find(({ token }) => token === "nixos:index:getPlan")?.inputs;
    assert.deepEqual([plan?.["builder"], plan?.["transport"]], [PROD, { via: "built-here" }]);
  });

  it("may be one of version 1", async () => {
    writeFileSync(file, JSON.stringify(MANIFEST_1));
    assert.equal((await run()).inputsOf("nixos:index:SystemProfile")["toplevel"], SYSTEM_B);
  });

  const refused: [string, () => string, RegExp][] = [
    ["no JSON", () => "{", /^\[release\.file\] The manifest \S+ cannot be taken: .*JSON/],
    ["no manifest", () => "[]", /^\[release\.file\] The manifest \S+ cannot be taken: /],
    [
      "another content than its id says",
      () => JSON.stringify({ ...MANIFEST, builtAt: 1 }),
      /^\[release\.file\] The manifest \S+ was changed: its id is not that of its content\./,
    ],
    [
      "no system for the host",
      () => JSON.stringify(withId({ ...MANIFEST, hosts: {} })),
      /^\[host\.name\] release 9ace77e00000 has no system for choiros-prod; it has none\./,
    ],
  ];
  for (const [what, text, message] of refused)
    it(`is refused with ${what}`, async () => {
      writeFileSync(file, text());
      await assert.rejects(run(), { message });
    });

  it("is refused when the file is not there", () =>
    assert.rejects(run({ file: `${directory}/none` }), {
      message:
        /^\[release\.file\] The manifest \S+ cannot be read: ENOENT.*The path is from the project\./,
    }));

  describe("with allowed signers", () => {
    let allowedSigners: string;
    beforeEach(() => {
      allowedSigners = join(directory, "signers");
      writeFileSync(allowedSigners, "release@example.com ssh-ed25519 AAAA\n");
    });
    const sign = () => writeFileSync(file, JSON.stringify({ ...MANIFEST, signature: "signed" }));

    it("is verified before any resource: the provider gets the text, the signature and the file", async () => {
      sign();
      const ran = await run({ allowedSigners });
      const [call] = ran.calls;
      assert.equal(call?.token, verifying);
      const text = signedText(MANIFEST);
      assert.deepEqual(call?.inputs, { text, signature: "signed", allowedSigners });
      verifySignatureInputs.parse(call?.inputs);
    });

    it("is refused where the provider refuses it", async () => {
      sign();
      const refuses = { [verifying]: "The signature is by none of the allowed signers." };
      await assert.rejects(run({ allowedSigners }, { refuses }), {
        message: `[release.allowedSigners] The manifest ${file} is not to be trusted. The signature is by none of the allowed signers. Nothing was touched.`,
      });
    });

    for (const [what, manifest] of [
      ["without a signature", MANIFEST],
      ["of version 1, which has none", MANIFEST_1],
    ] as const)
      it(`is refused ${what}`, async () => {
        writeFileSync(file, JSON.stringify(manifest));
        await assert.rejects(
          run({ allowedSigners }),
          /^Error: \[release\.allowedSigners\] The manifest \S+ is not signed: take/,
        );
      });

    it("is refused when their file is not there", async () => {
      sign();
      await assert.rejects(run({ allowedSigners: "none" }), {
        message: "[release.allowedSigners] There is no file none. The path is from the project.",
      });
    });

    it("is verified as well where another stack offers it", async () => {
      const config = { "choiros:release": { from: "stack", stack: "grind", allowedSigners } };
      const offer = { healthy: true, release };
      await assert.rejects(runProgram({ stack: "prod", offer, config }), {
        message:
          "[release.allowedSigners] The release that grind offers is not signed: set [release.manifestKeyFile] there, and run `pulumi up --stack grind`.",
      });
    });
  });

  it("in .env is programs alone, for links", async () => {
    writeFileSync(`${directory}/release.env`, readFileSync(fixture));
    const links = {
      ...{ directory: "/opt/choiros/bin", restart: [] },
      files: { "sandbox-ui": { component: "desktop", file: "bin/sandbox-ui" } },
    };
    const activation = { "choiros:activation": { strategy: "links", links } };
    const taken = { "choiros:release": { from: "manifest", file: `${directory}/release.env` } };
    const ran = await runProgram({ stack: "prod", config: { ...activation, ...taken } });
    const path = "/nix/store/2123456789abcdfghijklmnpqrsvwxyz-sandbox-ui-0.1.0";
    assert.equal(ran.inputsOf("nixos:index:Closure")["path"], path);
    const { rev, subject, links: given } = ran.inputsOf("nixos:index:SystemProfile");
    assert.deepEqual([rev, subject], [REV, "from an .env manifest"]);
    assert.deepEqual((given as typeof links).files, { "sandbox-ui": `${path}/bin/sandbox-ui` });
    await assert.rejects(
      runProgram({ stack: "prod", config: taken }),
      /has no system for choiros-prod/,
    );
    writeFileSync(`${directory}/release.env`, "id\n");
    await assert.rejects(runProgram({ stack: "prod", config: taken }), {
      message: /^\[release\.file\] .* cannot be taken: line 1 is not KEY=value\./,
    });
  });

  it("that is pinned stands in for what grind runs, and is said to", async () => {
    const pin = { manifest: file, builder: GRIND };
    const config = { "choiros:pin": pin };
    const ran = await runProgram({ stack: "prod", config, preview: true });
    assert.ok(!ran.resources.some(({ type }) => type === "pulumi:pulumi:StackReference"));
    assert.deepEqual(await resolved(ran.outputs["pinned"]), pin);
    assert.deepEqual(ran.logged, [
      "Pinned to release 9ace77e00000 by [pin], whatever [release] says, until `pulumi config rm pin`.",
      PLAN.text,
    ]);
    assert.deepEqual((await runProgram({ stack: "prod", config })).logged, []);
    rmSync(file);
    await assert.rejects(
      runProgram({ stack: "prod", config }),
      /^Error: \[pin\.manifest\] The manifest/,
    );
  });

  it("that is pinned has to be signed like any other", async () => {
    const allowedSigners = join(directory, "signers");
    writeFileSync(allowedSigners, "");
    const config = {
      "choiros:pin": { manifest: file },
      "choiros:release": { from: "stack", stack: "grind", allowedSigners },
    };
    await assert.rejects(
      runProgram({ stack: "prod", config }),
      /\[release\.allowedSigners\] The manifest/,
    );
  });
});

describe("a pinned revision", () => {
  const rev = "1".repeat(40);
  const pinned = { "choiros:pin": { rev } };

  it("is what is evaluated, whatever the branch and the working tree hold", async () => {
    const ran = await runProgram({ stack: "grind", config: pinned });
    const { rev: asked, requireClean } = ran.calls[0]?.inputs ?? {};
    assert.deepEqual([asked, requireClean], [rev, false]);
    assert.deepEqual(await resolved(ran.outputs["pinned"]), { rev });
  });

  it("that the repository does not have is named by its own setting", async () => {
    const sentence =
      "[release.rev] Release 1 on choiros-grind: no revision. Correct [release.rev].";
    await assert.rejects(
      runProgram({
        stack: "grind",
        config: pinned,
        refuses: { "nixos:index:getRelease": sentence },
      }),
      { message: sentence.replaceAll("release.rev", "pin.rev") },
    );
  });
});

describe("hosts of several systems in one release", () => {
  it("are asked for with the system of each; a name alone has that of the release", async () => {
    const grind = {
      ...{ from: "build", builder: GRIND, repo: "/opt/choiros/workspace", rev: "main" },
      hosts: ["choiros-grind", { name: "choiros-prod", system: "aarch64-linux" }],
      ...{ branch: "main", requireClean: false, changesSchema: ["hypervisor.db"] },
      manifestKeyFile: "/var/lib/keys/release",
    };
    const ran = await runProgram({ stack: "grind", config: { "choiros:release": grind } });
    assert.deepEqual(ran.calls[0]?.inputs, {
      ...{ connection: GRIND, repo: "/opt/choiros/workspace", rev: "main" },
      ...{ branch: "main", requireClean: false, components: [], timeoutSeconds: 300 },
      hosts: { "choiros-grind": "x86_64-linux", "choiros-prod": "aarch64-linux" },
    });
    const build = ran.inputsOf("nixos:index:Build");
    assert.deepEqual(build["changesSchema"], ["hypervisor.db"]);
    assert.equal(build["manifestKeyFile"], "/var/lib/keys/release");
  });

  it("get the component of their own one", async () => {
    const of = (name: string) => ({
      ...{ path: pathOf(name), narHash: "", narSize: 1, closureSize: 1 },
    });
    const prod = MANIFEST.hosts["choiros-prod"] ?? assert.fail();
    const manifest = withId({
      ...MANIFEST,
      hosts: { ...MANIFEST.hosts, "choiros-prod": { ...prod, system: "aarch64-linux" } },
      components: {
        "x86_64-linux": { hypervisor: of("hypervisor-x86") },
        "aarch64-linux": { hypervisor: of("hypervisor-arm") },
      },
    });
    const links = {
      ...{ directory: "/opt/choiros/bin", restart: [] },
      files: { hypervisor: { component: "hypervisor", file: "bin/hypervisor" } },
    };
    const ran = await runProgram({
      stack: "prod",
      offer: { healthy: true, release: { ...release, manifest } },
      config: { "choiros:activation": { strategy: "links", links } },
    });
    assert.equal(ran.inputsOf("nixos:index:Closure")["path"], pathOf("hypervisor-arm"));
  });
});
