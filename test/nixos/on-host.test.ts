import assert from "node:assert/strict";
import type { SwitchHost } from "../switch/switch-host.ts";
import { MODULES, openWithModules } from "./with-modules.ts";

const KEY = "/var/lib/nixos-promote/keys/grind-1.secret";
const ROOTS = "/nix/var/nix/gcroots/nixos-promote";

describe("the modules on a host", function () {
  this.timeout(60_000);
  let lab: SwitchHost;
  let systems: Record<"builder" | "busier" | "target" | "newAgent", string>;

  before("a host, and systems with the modules", async () => {
    lab = await openWithModules();
    const target = (agent: string) => `{
      imports = [ ${MODULES} ];
      nixos-promote.closureTarget = { enable = true; ssm.enable = true; };
      # In the place of the real agent, which NixOS would define.
      systemd.services.amazon-ssm-agent = service "agent ${agent}";
    }`;
    const builder = (weight: number) => `{
      imports = [ ${MODULES} ];
      nixos-promote.closureBuilder = { enable = true; signingKey = "grind-1"; memoryMax = "512M"; weight = ${weight}; };
    }`;
    systems = await lab.build({
      builder: builder(20),
      busier: builder(30),
      target: target("1"),
      newAgent: target("2"),
    });
    // A collection of garbage leaves them alone.
    for (const [name, path] of Object.entries({ ...systems, plain: lab.plain }))
      await lab.host.must(["nix-store", "--add-root", `/root/${name}`, "--realise", path]);
  });

  after("the host as it was", () => lab?.close());
  afterEach(() => lab.settle());

  describe("closure-builder", () => {
    it("makes a key that signs, once", async () => {
      await lab.must(systems.builder, "switch");
      const secret = await lab.host.must(["cat", KEY]);
      assert.match(secret, /^grind-1:/);
      assert.equal((await lab.host.must(["stat", "-c", "%a", KEY])).trim(), "600");
      const published = (await lab.host.must(["cat", `${KEY}.pub`])).trim();

      await lab.host.must(["nix", "store", "sign", "--key-file", KEY, systems.builder]);
      const verify = ["nix", "store", "verify", "--sigs-needed", "1", "--trusted-public-keys"];
      await lab.host.must([...verify, published, systems.builder]);
      const foreign = "other-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";
      const refused = await lab.host.exec([...verify, foreign, systems.builder]);
      assert.notEqual(refused.code, 0);

      await lab.must(systems.busier, "switch");
      await lab.host.must(["systemctl", "restart", "nixos-promote-signing-key-grind-1"]);
      assert.equal(await lab.host.must(["cat", KEY]), secret);
    });

    it("holds root's builds in the slice, and leaves them their PATH", async () => {
      await lab.must(systems.builder, "switch");
      const unit = "nixos-promote-build.service";
      const argv = [
        "systemd-run",
        "--quiet",
        `--unit=${unit}`,
        "--setenv=PATH=/some/where:/usr/bin",
      ];
      await lab.host.must([...argv, "sleep", "60"]);
      assert.equal(await lab.property(unit, "Slice"), "nixos-builds.slice");
      assert.match(await lab.property(unit, "ControlGroup"), /nixos\.slice\/nixos-builds\.slice\//);
      assert.match(await lab.property(unit, "Environment"), /PATH=\/some\/where/);
      assert.equal(await lab.property("nixos-builds.slice", "MemoryMax"), `${512 * 2 ** 20}`);
      assert.equal(await lab.property("nixos-builds.slice", "CPUWeight"), "20");
      await lab.host.must(["systemctl", "stop", unit]);
    });
  });

  describe("closure-target", () => {
    it("keeps the agent of SSM running through the switch that brings a new one", async () => {
      await lab.must(systems.target, "switch");
      const agent = "amazon-ssm-agent.service";
      const before = await lab.property(agent, "InvocationID");
      const { stderr } = await lab.must(systems.newAgent, "switch");
      assert.match(stderr, /NOT restarting the following changed units: amazon-ssm-agent\.service/);
      assert.equal(await lab.property(agent, "InvocationID"), before);
      assert.deepEqual(await lab.log(), ["start agent 1"]);
    });

    it("records its state version in the system", async () => {
      assert.equal(await lab.host.must(["cat", `${systems.target}/state-version`]), "25.11\n");
    });
  });

  describe("gc", () => {
    const add = async (name: string): Promise<string> => {
      const text = `echo '${name}' > /tmp/${name} && nix-store --add /tmp/${name}`;
      const ran = await lab.shell(text);
      return ran.stdout.trim();
    };

    it("takes what nobody holds, and leaves what our roots hold", async () => {
      await lab.must(systems.target, "switch");
      const [garbage, held] = [await add("garbage"), await add("held")];
      await lab.host.must(["mkdir", "-p", ROOTS]);
      await lab.host.must(["ln", "-sfn", held, `${ROOTS}/test`]);
      await lab.host.must(["systemctl", "start", "nix-gc.service"]);
      assert.equal(await lab.exists(garbage), false);
      assert.equal(await lab.exists(held), true);
      await lab.host.must(["rm", `${ROOTS}/test`]);
    });

    it("waits while a promotion is under way", async () => {
      await lab.must(systems.target, "switch");
      const garbage = await add("on-its-way");
      const job = "nixos-promote-activate.service";
      await lab.host.must(["systemd-run", "--quiet", `--unit=${job}`, "sleep", "60"]);
      await lab.host.must(["systemctl", "start", "nix-gc.service"]);
      assert.equal(await lab.exists(garbage), true);
      assert.equal(await lab.property("nix-gc.service", "Result"), "exec-condition");

      await lab.host.must(["systemctl", "stop", job]);
      await lab.host.must(["systemctl", "start", "nix-gc.service"]);
      assert.equal(await lab.exists(garbage), false);
    });

    it("has a timer", async () => {
      await lab.must(systems.target, "switch");
      assert.equal(await lab.active("nix-gc.timer"), "active");
    });
  });
});
