import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { parseSettings } from "../../settings.ts";
import { readWorkflow } from "../support/actions.ts";
import { ask, refusal, unit } from "./nix.ts";

const yaml: { load(text: string): unknown } = createRequire(import.meta.url)("js-yaml");
const FLEET = new URL("../../nixos/examples/fleet/", import.meta.url).pathname;
const TARGETS = ["attic", "desk", "media"];

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
      "attic",
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
      ["attic", 0],
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
      attic: [[], false, []],
      bastion: [["bastion"], true, ["bastion-1", "cache.fleet.example.com-1"]],
      desk: [[], false, []],
      media: [[], false, []],
    });
  });

  it("makes the users' environments part of each system", () => {
    const git = "c.home-manager.users.alice.programs.git.enable";
    assert.deepEqual(ask<unknown>(`lib.mapAttrs (_: c: ${git}) fleet`), {
      attic: true,
      bastion: true,
      desk: true,
      media: true,
    });
  });

  describe("its stacks", () => {
    interface Config {
      readonly config: Record<string, unknown>;
    }
    const settingsOf = (name: string) => {
      const text = readFileSync(`${FLEET}Pulumi.${name}.yaml`, "utf8");
      const entries = Object.entries((yaml.load(text) as Config).config);
      return parseSettings(
        Object.fromEntries(entries.map(([key, value]) => [key.replace("choiros:", ""), value])),
      );
    };

    it("have the bastion build for every host, and sign with the key that all of them trust", () => {
      const { release } = settingsOf("bastion");
      assert.ok(release.from === "build");
      assert.deepEqual(release.hosts, ask("lib.attrNames fleet"));
      assert.equal(
        release.signingKeyFile,
        ask("fleet.bastion.nixos-promote.signingKeys.bastion-1.file"),
      );
    });

    for (const host of TARGETS)
      it(`have ${host} take what the bastion runs, from the caches that it trusts, in their order`, () => {
        const settings = settingsOf(host);
        assert.deepEqual(settings.release, {
          ...{ from: "stack", stack: "bastion", minHealthySeconds: 0 },
        });
        assert.ok(settings.copy.via === "cache");
        assert.deepEqual(
          settings.copy.caches.map(({ pull }) => pull),
          ask(
            `map (c: c.url) (builtins.sort (a: b: a.priority < b.priority) (lib.attrValues fleet.${host}.nixos-promote.cacheClient.caches))`,
          ),
        );
        assert.deepEqual(settings.host.name, host);
      });
  });

  describe("its workflow", () => {
    const { jobs } = readWorkflow(readFileSync(`${FLEET}deploy.yml`, "utf8"));

    it("brings closures to all hosts before any of them switches, and lets no bad one stop the others", () => {
      assert.deepEqual(
        Object.entries(jobs).map(([name, { needs, strategy, if: always }]) => [
          ...[name, needs, always !== undefined],
          strategy && [strategy.matrix.host, strategy["fail-fast"]],
        ]),
        [
          ["build", [], false, undefined],
          ["push", ["build"], false, [TARGETS, true]],
          ["switch", ["push"], false, [TARGETS, false]],
          ["report", ["build", "push", "switch"], true, undefined],
        ],
      );
    });

    it("asks for a runner such as the bastion has", () => {
      const labels = ask<string[]>("fleet.bastion.services.github-runners.bastion.extraLabels");
      for (const job of Object.values(jobs))
        assert.deepEqual(job["runs-on"], ["self-hosted", ...labels]);
    });

    it("has ssh and git use the credential that the runner is given, and the host keys of the bastion", () => {
      const given = ask<string[]>(
        "fleet.bastion.services.github-runners.bastion.serviceOverrides.LoadCredential",
      );
      assert.match(given[0] ?? "", /^deploy-key:/);
      assert.deepEqual(
        ask("lib.attrNames fleet.bastion.programs.ssh.knownHosts"),
        ask("lib.attrNames fleet"),
      );
      for (const { steps } of Object.values(jobs))
        assert.ok(steps.some(({ run }) => run === "bash fleet/use-deploy-key.sh"));
      const directory = mkdtempSync(`${tmpdir()}/fleet-`);
      const env = {
        PATH: process.env["PATH"],
        CREDENTIALS_DIRECTORY: "/run/credentials/runner",
        RUNNER_TEMP: directory,
        GITHUB_ENV: `${directory}/env`,
      };
      const ran = spawnSync("bash", [`${FLEET}use-deploy-key.sh`], { env, encoding: "utf8" });
      assert.equal(ran.status, 0, ran.stderr);
      const [config = "", git = ""] = readFileSync(`${directory}/env`, "utf8")
        .trim()
        .split("\n")
        .map((line) => line.replace(/^\w+=/, ""));
      const ssh = spawnSync("ssh", ["-G", "-F", config, "desk"], { encoding: "utf8" });
      rmSync(directory, { recursive: true });
      assert.equal(git, `ssh -F ${config}`);
      assert.match(ssh.stdout, /^user root$/m);
      assert.match(ssh.stdout, /^identityfile \/run\/credentials\/runner\/deploy-key$/m);
    });
  });
});
