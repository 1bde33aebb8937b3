import assert from "node:assert/strict";
import { canonicalJson } from "../../contract/canonical-json.ts";
import { preflight } from "../../contract/preflight.ts";
import { closureInputs, systemProfileInputs } from "../../contract/resources.ts";
import { PLAN, type Ran, resolved, runProgram } from "../support/program.ts";
import {
  EVALUATION,
  GRIND,
  MANIFEST,
  MANIFEST_1,
  OTHER_REV,
  PROD,
  REV,
  SYSTEM_B,
  withId,
} from "../support/samples.ts";
import { settingsOf } from "../support/stack-config.ts";

const taken = { rev: REV, subject: EVALUATION.subject, manifest: MANIFEST, builder: GRIND };
const offer = { release: taken, healthy: true };
const without = (key: keyof typeof taken) => ({
  ...offer,
  release: { ...taken, [key]: undefined },
});
const withManifest = (manifest: object) => ({ ...offer, release: { ...taken, manifest } });

describe("the stack that takes a release: prod", () => {
  describe("in `pulumi up`", () => {
    let ran: Ran;
    before(async () => {
      ran = await runProgram({ stack: "prod", offer });
    });

    it("reads the release from the grind stack of this project, and evaluates nothing", () => {
      const reference = ran.resources.find(({ type }) => type === "pulumi:pulumi:StackReference");
      assert.equal(reference?.id, "organization/choiros/grind");
      assert.deepEqual(ran.calls, []);
    });

    it("builds nothing: it is the reference, Host, Release, and Activation with its two resources", () => {
      assert.deepEqual(
        ran.urns.map((urn) => urn.replace("urn:pulumi:prod::choiros::", "")).sort(),
        [
          "choiros:index:Activation$nixos:index:Closure::choiros-prod-closure",
          "choiros:index:Activation$nixos:index:SystemProfile::choiros-prod-system",
          "choiros:index:Activation::choiros-prod",
          "choiros:index:Host::choiros-prod",
          "choiros:index:Release::release",
          "pulumi:pulumi:StackReference::release.stack",
        ],
      );
    });

    it("lets grind push: the transport holds the way to grind, and grind's name for prod", () => {
      const inputs = ran.inputsOf("nixos:index:Closure");
      assert.deepEqual(inputs, {
        connection: PROD,
        path: SYSTEM_B,
        transport: { via: "direct", to: "choiros-prod", builder: GRIND },
        timeoutSeconds: 3600,
        diskMarginMiB: 64,
      });
      closureInputs.parse(inputs);
    });

    it("switches prod to its own system of the release", () => {
      const inputs = ran.inputsOf("nixos:index:SystemProfile");
      assert.deepEqual(inputs, {
        connection: PROD,
        host: "choiros-prod",
        toplevel: SYSTEM_B,
        rev: REV,
        subject: EVALUATION.subject,
        mode: "switch",
        probes: settingsOf("prod")["health"],
        unitFailures: "tolerant",
        confirm: true,
        timeouts: { switch: 300, confirm: 60, rollback: 300 },
        preflight: preflight.parse({}),
        keep: { releases: 20, generations: 2 },
        manifest: canonicalJson(MANIFEST),
      });
      systemProfileInputs.parse(inputs);
    });

    it("switches only after the closure is there", () => {
      const types = ran.resources.map(({ type }) => type);
      const [closure, system] = ["Closure", "SystemProfile"].map((name) =>
        types.indexOf(`nixos:index:${name}`),
      );
      assert.ok(closure !== undefined && system !== undefined && 0 <= closure && closure < system);
    });

    it("says that it is not healthy where `--exclude` has left the system out of its first `up`", async () => {
      const { outputs } = await runProgram({ stack: "prod", offer, leftOut: true });
      assert.equal(await resolved(outputs["healthy"]), false);
      assert.equal(await resolved(outputs["healthySince"]), null);
    });

    it("says what it runs and whether it is healthy, and offers no release to others", async () => {
      assert.deepEqual(await resolved(ran.outputs["release"]), {
        id: MANIFEST.id,
        rev: REV,
        subject: EVALUATION.subject,
        toplevel: SYSTEM_B,
      });
      assert.equal(await resolved(ran.outputs["healthy"]), true);
    });

    it("asks for no plan and shows none", () => {
      assert.ok(!ran.calls.some(({ token }) => token === "nixos:index:getPlan"));
      assert.deepEqual(ran.logged, []);
    });
  });

  describe("in `pulumi preview`", () => {
    const preview = (more: object = {}) =>
      runProgram({ stack: "prod", offer, preview: true, ...more });

    it("asks for the plan over both connections, once, and shows its text", async () => {
      const ran = await preview();
      assert.deepEqual(
        ran.calls.map(({ token }) => token),
        ["nixos:index:getPlan"],
      );
      const { connection, builder, toplevel } = ran.calls[0]?.inputs ?? {};
      assert.deepEqual(
        { connection, builder, toplevel },
        { connection: PROD, builder: GRIND, toplevel: SYSTEM_B },
      );
      assert.deepEqual(ran.logged, [PLAN.text]);
    });

    it("shows a plan of a host that runs the release but drifts", async () => {
      const ran = await preview({
        plan: { ...PLAN, from: SYSTEM_B, drift: ["hypervisor.service is failed"] },
      });
      assert.deepEqual(ran.logged, [PLAN.text]);
    });

    it("warns of caches that are ill, below the plan", async () => {
      const problems = ["[copy.caches] https://cache.example.com cannot be reached"];
      const ran = await preview({ plan: { ...PLAN, copy: { problems } } });
      assert.deepEqual([ran.logged, ran.warned], [[PLAN.text], problems]);
    });

    it("shows no plan where nothing changes", async () => {
      const ran = await preview({ plan: { ...PLAN, from: SYSTEM_B } });
      assert.deepEqual(ran.logged, []);
    });
  });

  it("copies through the operator when it is told to", async () => {
    const ran = await runProgram({
      stack: "prod",
      offer,
      config: { "choiros:copy": { via: "relay", timeoutSeconds: 60 } },
    });
    assert.deepEqual(ran.inputsOf("nixos:index:Closure")["transport"], {
      via: "relay",
      builder: GRIND,
    });
    assert.equal(ran.inputsOf("nixos:index:Closure")["timeoutSeconds"], 60);
  });

  for (const [stack, id] of [
    ["organization/other/grind", "organization/other/grind"],
    ["other/grind", "organization/other/grind"],
  ] as const) {
    it(`takes a release from ${stack} as well`, async () => {
      const ran = await runProgram({
        stack: "prod",
        offer,
        config: { "choiros:release": { from: "stack", stack } },
      });
      assert.equal(
        ran.resources.find(({ type }) => type === "pulumi:pulumi:StackReference")?.id,
        id,
      );
    });
  }

  const none = "grind offers no release that it runs healthy. Run `pulumi up --stack grind` first.";
  const withUp = "Run `pulumi up --stack grind` with this version of the program.";
  const refused: [string, Record<string, unknown>, string][] = [
    ["a release that grind does not run healthy", { ...offer, healthy: false }, none],
    ["a stack that has never been up", {}, none],
    ["a release whose health is not known", { release: taken }, none],
    [
      "a release without a manifest",
      without("manifest"),
      `The release that grind offers cannot be taken: Invalid input: expected object, received undefined. ${withUp}`,
    ],
    [
      "a release without a builder",
      without("builder"),
      `The release that grind offers says no way to its builder. ${withUp}`,
    ],
    [
      "a release that is another one than the manifest's",
      { ...offer, release: { ...taken, rev: OTHER_REV } },
      `The release that grind offers is not the one which that stack runs. ${withUp}`,
    ],
    [
      "a manifest of a schema that is not known yet",
      withManifest({ ...MANIFEST, schema: 3 }),
      `The release that grind offers cannot be taken: schema must be 1 or 2, as far as we know. ${withUp}`,
    ],
    [
      "a manifest with a path that is none",
      withManifest({ ...MANIFEST, hosts: { "choiros-prod": { path: "/etc" } } }),
      `The release that grind offers cannot be taken: hosts.choiros-prod.path must be a store path such as /nix/store/<hash>-<name>. ${withUp}`,
    ],
    [
      "a manifest that is not as it was built",
      withManifest({ ...MANIFEST, subject: "another one" }),
      `The release that grind offers was changed: its id is not that of its content. ${withUp}`,
    ],
  ];
  for (const [what, said, sentence] of refused) {
    it(`refuses ${what}, and says what to run first`, async () => {
      await assert.rejects(runProgram({ stack: "prod", offer: said }), {
        message: `[release.stack] ${sentence}`,
      });
    });
  }

  it("takes what an earlier version of the program offers", async () => {
    const ran = await runProgram({ stack: "prod", offer: withManifest(MANIFEST_1) });
    assert.equal(ran.inputsOf("nixos:index:SystemProfile")["toplevel"], SYSTEM_B);
    const { id } = (await resolved(ran.outputs["release"])) as { id: string };
    assert.match(id, /^[0-9a-f]{64}$/);
  });

  it("refuses a release that has no system for prod, and says which hosts it has", async () => {
    const { "choiros-prod": _prod, ...grind } = MANIFEST.hosts;
    await assert.rejects(
      runProgram({
        stack: "prod",
        offer: withManifest(withId({ ...MANIFEST, hosts: grind })),
      }),
      /\[host\.name\] release 9ace77e00000 has no system for choiros-prod; it has choiros-grind\. Add the host/,
    );
  });
});
