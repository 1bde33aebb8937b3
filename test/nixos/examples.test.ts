import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { z } from "zod";
import { ask, refusal, unit } from "./nix.ts";

const yaml: { load(text: string): unknown } = createRequire(import.meta.url)("js-yaml");

const Workflow = z.object({
  jobs: z.object({
    deploy: z.object({
      "runs-on": z.array(z.string()),
      strategy: z.object({
        "fail-fast": z.boolean(),
        "max-parallel": z.number(),
        matrix: z.object({ host: z.array(z.string()) }),
      }),
      steps: z.array(z.object({ name: z.string(), run: z.string().optional() })),
    }),
  }),
});

const HOST = new URL("../../nixos/examples/two-hosts/host.nix", import.meta.url).pathname;

describe("the example of two hosts", () => {
  interface Host {
    readonly texts: Record<string, string>;
    readonly sandbox: string;
  }
  let grind: Host;
  let prod: Host;

  before("both, evaluated whole", () => {
    const host = (name: string) =>
      ask<Host>(
        `builtins.seq (whole ${name}) {
           inherit (${name}.systemd) texts;
           sandbox = ${name}.containers.sandbox-live.config.systemd.texts."sandbox.service";
         }`,
      );
    [grind, prod] = [host("grind"), host("prod")];
  });

  it("has the same units on both, except for those that a builder has and those of SSM", () => {
    const only = (a: Host, b: Host) => Object.keys(a.texts).filter((name) => !(name in b.texts));
    assert.deepEqual(only(grind, prod), [
      "nix-daemon.service",
      "nixos-builds.slice",
      "nixos-promote-build.service",
      "nixos-promote-signing-key-choiros-grind-1.service",
    ]);
    assert.deepEqual(only(prod, grind), ["amazon-ssm-agent.service"]);
  });

  it("has the same text in all of them, except for the name that people are signed in for", () => {
    const differing = Object.keys(grind.texts).filter(
      (name) => name in prod.texts && grind.texts[name] !== prod.texts[name],
    );
    assert.deepEqual(differing, ["hypervisor.service"]);
    const text = grind.texts["hypervisor.service"] ?? "";
    assert.equal(
      text.replaceAll("os.staging.example.com", "os.example.com"),
      prod.texts["hypervisor.service"],
    );
  });

  it("runs the very same programs on both, from the store", () => {
    const program = ({ texts }: Host) =>
      unit(texts["hypervisor.service"] ?? "")["Service.ExecStart"];
    assert.deepEqual(program(grind), program(prod));
    assert.match(program(prod)?.[0] ?? "", /^\/nix\/store\//);
    assert.equal(grind.sandbox, prod.sandbox);
  });

  it("gives each its own name, network, disks, secrets and domain", () => {
    const inputs = (host: string) =>
      ask<unknown[]>(
        `let c = ${host}; in [
           c.networking.hostName
           (lib.attrNames c.networking.interfaces)
           c.fileSystems."/".device
           (baseNameOf c.sops.defaultSopsFile)
           (lib.attrNames c.services.caddy.virtualHosts)
         ]`,
      );
    assert.deepEqual(inputs("grind"), [
      "choiros-grind",
      ["ens5"],
      "/dev/disk/by-label/nixos",
      "choiros-grind.yaml",
      ["os.staging.example.com", "staging.example.com"],
    ]);
    assert.deepEqual(inputs("prod"), [
      "choiros-prod",
      ["eno1"],
      "/dev/disk/by-uuid/2b1f6e2e-6f0e-4f0a-8f8e-0d6f0e3a9c11",
      "choiros-prod.yaml",
      ["example.com", "os.example.com"],
    ]);
  });

  it("lets grind build and sign, and prod neither build nor hold a checkout", () => {
    const rights = (host: string) =>
      ask<unknown[]>(
        `let c = ${host}; in [ c.nix.settings.max-jobs c.nixos-promote.closureTarget.checkout (lib.attrNames c.nixos-promote.signingKeys) ]`,
      );
    assert.deepEqual(rights("grind"), [1, "/opt/choiros/workspace", ["choiros-grind-1"]]);
    assert.deepEqual(rights("prod"), [0, null, []]);
  });

  it("carries the exact revision", () => {
    assert.equal(
      ask<string>("prod.system.configurationRevision"),
      "0123456789abcdef0123456789abcdef01234567",
    );
  });

  it("refuses a difference that is no explicit input, and a disk by a name that may change", () => {
    const host = (data: string) => `host [ ${HOST} { host = { name = "h"; ${data} }; } ]`;
    assert.match(refusal(`(${host("kernel = 1;")}).networking`), /`host\.kernel' does not exist/);
    assert.match(
      refusal(`(${host('disks.root = "/dev/sda1";')}).fileSystems`),
      /`host\.disks\.root' is not of type/,
    );
  });
});

describe("the settings of Nix in the examples", () => {
  it("are known to Nix, and taken by it", () => {
    type Value = string | number | boolean | string[];
    const all = ask<Record<string, Record<string, Value>>>(
      "lib.mapAttrs (_: c: c.nix.settings) (fleet // { inherit grind prod; })",
    );
    const text = (value: Value) => (Array.isArray(value) ? value.join(" ") : `${value}`);
    for (const [host, settings] of Object.entries(all)) {
      const lines = Object.entries(settings).map(([name, value]) => `${name} = ${text(value)}`);
      const env = { ...process.env, NIX_CONFIG: lines.join("\n") };
      const argv = ["--extra-experimental-features", "nix-command", "show-config", "--json"];
      const ran = spawnSync("nix", argv, { env, encoding: "utf8" });
      assert.equal(ran.status, 0, ran.stderr);
      assert.doesNotMatch(ran.stderr, /unknown setting|error/, host);
      const taken = JSON.parse(ran.stdout) as Record<string, { value: unknown }>;
      assert.deepEqual(
        Object.keys(settings).map((name) => [name, sorted(taken[name]?.value)]),
        Object.entries(settings).map(([name, value]) => [name, sorted(value)]),
      );
    }
  });
});

/** Nix keeps some lists as sets. */
const sorted = (value: unknown) => (Array.isArray(value) ? [...value].sort() : value);

describe("the example of a fleet", () => {
  it("is whole: every host evaluates", () => {
    assert.deepEqual(Object.keys(ask<object>("lib.mapAttrs (_: whole) fleet")), [
      "bastion",
      "desk",
      "media",
    ]);
  });

  it("has every host trust and use both caches, and the bastion's signature", () => {
    const settings = ask<Record<string, Record<string, unknown>>>(
      `lib.mapAttrs (_: c: { inherit (c.nix.settings) substituters trusted-public-keys max-jobs; }) fleet`,
    );
    const names = (keys: unknown) => (keys as string[]).map((key) => key.split(":")[0]);
    for (const host of Object.values(settings)) {
      assert.deepEqual(host["substituters"], [
        "https://cache.fleet.example.com?priority=10",
        "https://fleet.cachix.org?priority=20",
      ]);
      assert.deepEqual(names(host["trusted-public-keys"]).sort(), [
        "bastion-1",
        "cache.fleet.example.com-1",
        "fleet.cachix.org-1",
      ]);
    }
    const jobs = Object.entries(settings).map(([name, host]) => [name, host["max-jobs"]]);
    assert.deepEqual(jobs, [
      ["bastion", 1],
      ["desk", 0],
      ["media", 0],
    ]);
  });

  it("has runner, cache and signing keys on the bastion alone", () => {
    const has = ask<Record<string, unknown[]>>(
      `lib.mapAttrs (_: c: [ (lib.attrNames c.services.github-runners) c.services.nix-serve.enable (lib.attrNames c.nixos-promote.signingKeys) ]) fleet`,
    );
    assert.deepEqual(has, {
      bastion: [["bastion"], true, ["bastion-1", "cache.fleet.example.com-1"]],
      desk: [[], false, []],
      media: [[], false, []],
    });
  });

  it("makes the users' environments part of each system", () => {
    const git = "c.home-manager.users.alice.programs.git.enable";
    assert.deepEqual(ask<unknown>(`lib.mapAttrs (_: c: ${git}) fleet`), {
      bastion: true,
      desk: true,
      media: true,
    });
  });

  describe("its workflow", () => {
    const file = new URL("../../nixos/examples/fleet/deploy.yml", import.meta.url);
    const { deploy } = Workflow.parse(yaml.load(readFileSync(file, "utf8"))).jobs;

    it("goes through all hosts, one after the other, and not on after a failure", () => {
      assert.deepEqual([...deploy.strategy.matrix.host].sort(), ask("lib.attrNames fleet"));
      assert.equal(deploy.strategy.matrix.host[0], "bastion");
      assert.deepEqual([deploy.strategy["max-parallel"], deploy.strategy["fail-fast"]], [1, true]);
    });

    it("asks for a runner such as the bastion has", () => {
      const labels = ask<string[]>("fleet.bastion.services.github-runners.bastion.extraLabels");
      assert.deepEqual(deploy["runs-on"], ["self-hosted", ...labels]);
    });

    it("has ssh use the credential that the runner is given", () => {
      const given = ask<string[]>(
        "fleet.bastion.services.github-runners.bastion.serviceOverrides.LoadCredential",
      );
      assert.match(given[0] ?? "", /^deploy-key:/);
      const step = deploy.steps.find(({ name }) => name.startsWith("Have ssh"));
      const directory = mkdtempSync(`${tmpdir()}/fleet-`);
      const env = {
        PATH: process.env["PATH"],
        CREDENTIALS_DIRECTORY: "/run/credentials/runner",
        RUNNER_TEMP: directory,
        GITHUB_ENV: `${directory}/env`,
      };
      const ran = spawnSync("bash", ["-ec", step?.run ?? "exit 9"], { env, encoding: "utf8" });
      assert.equal(ran.status, 0, ran.stderr);
      const config = readFileSync(`${directory}/env`, "utf8").trim().split("=")[1] ?? "";
      const ssh = spawnSync("ssh", ["-G", "-F", config, "desk"], { encoding: "utf8" });
      rmSync(directory, { recursive: true });
      assert.match(ssh.stdout, /^user root$/m);
      assert.match(ssh.stdout, /^identityfile \/run\/credentials\/runner\/deploy-key$/m);
    });
  });
});
