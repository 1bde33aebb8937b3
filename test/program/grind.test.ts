import assert from "node:assert/strict";
import { canonicalJson } from "../../contract/canonical-json.ts";
import { preflight } from "../../contract/preflight.ts";
import {
  buildInputs,
  closureInputs,
  getPlanInputs,
  getReleaseInputs,
  systemProfileInputs,
} from "../../contract/resources.ts";
import { type Ran, resolved, runProgram, TRANSACTION } from "../support/program.ts";
import { EVALUATION, GRIND, MANIFEST, pathOf, REV, SYSTEM_A } from "../support/samples.ts";
import { settingsOf } from "../support/stack-config.ts";

const TOPLEVEL = pathOf("nixos-system-choiros-grind-b");
const health = settingsOf("grind")["health"];

describe("the stack that builds: grind", () => {
  describe("in `pulumi up`", () => {
    let ran: Ran;
    before(async () => {
      ran = await runProgram({ stack: "grind" });
    });

    it("asks the builder once what the revision is, and builds that", () => {
      assert.deepEqual(
        ran.calls.map(({ token }) => token),
        ["nixos:index:getRelease"],
      );
      assert.deepEqual(ran.calls[0]?.inputs, {
        connection: GRIND,
        repo: "/opt/choiros/workspace",
        rev: "main",
        requireClean: true,
        hosts: { "choiros-grind": "x86_64-linux", "choiros-prod": "x86_64-linux" },
        components: ["hypervisor", "sandbox", "desktop"],
        timeoutSeconds: 300,
      });
      getReleaseInputs.parse(ran.calls[0]?.inputs);
    });

    it("is Host, Release with its Build, and Activation with its Closure and SystemProfile", () => {
      assert.deepEqual(
        ran.urns.map((urn) => urn.replace("urn:pulumi:grind::choiros::", "")).sort(),
        [
          "choiros:index:Activation$nixos:index:Closure::choiros-grind-closure",
          "choiros:index:Activation$nixos:index:SystemProfile::choiros-grind-system",
          "choiros:index:Activation::choiros-grind",
          "choiros:index:Host::choiros-grind",
          "choiros:index:Release$nixos:index:Build::release-build",
          "choiros:index:Release::release",
        ],
      );
    });

    it("gives the Build exactly the evaluation, the builder and the signing key's path", () => {
      const inputs = ran.inputsOf("nixos:index:Build");
      assert.deepEqual(inputs, {
        connection: GRIND,
        ...EVALUATION,
        signingKeyFile: "/var/lib/nixos-promote/keys/lab-1.secret",
        ...{ keep: 3, timeoutSeconds: 7200 },
      });
      buildInputs.parse(inputs);
    });

    it("copies nothing: the closure was built here", () => {
      const inputs = ran.inputsOf("nixos:index:Closure");
      assert.deepEqual(inputs, {
        connection: GRIND,
        path: TOPLEVEL,
        transport: { via: "built-here" },
        timeoutSeconds: 3600,
        diskMarginMiB: 64,
      });
      closureInputs.parse(inputs);
    });

    it("switches grind to its own system of the release, held to the health contract", () => {
      const inputs = ran.inputsOf("nixos:index:SystemProfile");
      assert.deepEqual(inputs, {
        connection: GRIND,
        host: "choiros-grind",
        toplevel: TOPLEVEL,
        rev: REV,
        subject: EVALUATION.subject,
        mode: "switch",
        probes: health,
        unitFailures: "tolerant",
        confirm: true,
        timeouts: { switch: 300, confirm: 60, rollback: 300 },
        preflight: preflight.parse({}),
        keep: { releases: 20, generations: 2 },
        manifest: canonicalJson(MANIFEST),
      });
      systemProfileInputs.parse(inputs);
    });

    it("says what it runs, and offers that to other stacks with the way to its builder", async () => {
      assert.deepEqual(await resolved(ran.outputs["release"]), {
        id: MANIFEST.id,
        rev: REV,
        subject: EVALUATION.subject,
        toplevel: TOPLEVEL,
        manifest: MANIFEST,
        builder: GRIND,
      });
      assert.equal(await resolved(ran.outputs["healthy"]), true);
      assert.equal(await resolved(ran.outputs["healthySince"]), TRANSACTION.finishedAt);
      assert.equal(await resolved(ran.outputs["pinned"]), null);
    });

    it("says how healthy it was, and what it ran before", async () => {
      const host = (await resolved(ran.outputs["host"])) as { machineId: string };
      assert.equal(host.machineId, "0123456789abcdef0123456789abcdef");
      assert.deepEqual(await resolved(ran.outputs["drift"]), []);
      assert.deepEqual(await resolved(ran.outputs["health"]), TRANSACTION.probes);
      assert.equal(await resolved(ran.outputs["previousRelease"]), SYSTEM_A);
    });

    it("exports nothing else", () => {
      const names =
        "drift examinable health healthy healthySince host pending pinned previousRelease release";
      assert.deepEqual(Object.keys(ran.outputs).sort(), names.split(" "));
    });

    it("says nothing of a plan", () => assert.deepEqual(ran.logged, []));
  });

  describe("in `pulumi preview`", () => {
    let ran: Ran;
    before(async () => {
      ran = await runProgram({ stack: "grind", preview: true });
    });

    it("knows the path of the system although nothing is built", () => {
      assert.equal(ran.inputsOf("nixos:index:Closure")["path"], TOPLEVEL);
      assert.equal(ran.inputsOf("nixos:index:SystemProfile")["toplevel"], TOPLEVEL);
    });

    it("asks for the plan and shows its text", () => {
      const plans = ran.calls.filter(({ token }) => token === "nixos:index:getPlan");
      assert.equal(plans.length, 1);
      assert.deepEqual(plans[0]?.inputs, {
        connection: GRIND,
        host: "choiros-grind",
        mode: "switch",
        toplevel: TOPLEVEL,
        rev: REV,
        subject: EVALUATION.subject,
        builder: GRIND,
        transport: { via: "built-here" },
        probes: health,
      });
      getPlanInputs.parse(plans[0]?.inputs);
      assert.deepEqual(ran.logged, ["choiros-prod: what will change"]);
    });
  });

  it("is not healthy while it drifts", async () => {
    const ran = await runProgram({
      stack: "grind",
      drift: ["hypervisor.service is failed (failed), not active"],
    });
    assert.equal(await resolved(ran.outputs["healthy"]), false);
    assert.equal(await resolved(ran.outputs["healthySince"]), null);
  });

  it("builds unsigned when no key is given", async () => {
    const { signingKeyFile: _key, ...release } = settingsOf("grind")["release"] as Record<
      string,
      unknown
    >;
    const ran = await runProgram({ stack: "grind", config: { "choiros:release": release } });
    assert.equal("signingKeyFile" in ran.inputsOf("nixos:index:Build"), false);
  });

  it("passes on the machine id, the time limits and the choice not to confirm", async () => {
    const host = { ...(settingsOf("grind")["host"] as object), machineId: "0".repeat(32) };
    const activation = { confirm: false, timeouts: { switch: 10 } };
    const ran = await runProgram({
      stack: "grind",
      config: { "choiros:host": host, "choiros:activation": activation },
    });
    const inputs = ran.inputsOf("nixos:index:SystemProfile");
    assert.equal(inputs["machineId"], "0".repeat(32));
    assert.equal(inputs["confirm"], false);
    assert.deepEqual(inputs["timeouts"], { switch: 10, confirm: 60, rollback: 300 });
  });

  it("stops before any resource when the evaluation fails, with the provider's own sentence", async () => {
    const sentence = "Release nope on choiros-grind: No revision nope in /opt/choiros/workspace.";
    const refuses = {
      "nixos:index:getRelease": `invocation of nixos:index:getRelease returned an error: ${sentence}`,
    };
    await assert.rejects(runProgram({ stack: "grind", refuses }), {
      name: "Error",
      message: sentence,
    });
  });

  it("stops with the settings' names when the configuration is wrong", async () => {
    const config = { "choiros:copy": { via: "fax" }, "choiros:health": [] };
    await assert.rejects(
      runProgram({ stack: "grind", config }),
      /nothing was touched.*\[choiros:copy\.via\].*\[choiros:health\]/s,
    );
  });

  it("refuses a host that the release does not have", async () => {
    const host = { name: "choiros-staging", connection: GRIND };
    await assert.rejects(
      runProgram({ stack: "grind", config: { "choiros:host": host } }),
      /\[host\.name\] release 9ace77e00000 has no system for choiros-staging; it has choiros-grind, choiros-prod\./,
    );
  });
});
