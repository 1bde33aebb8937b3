import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { setAllConfig } from "@pulumi/pulumi/runtime/config.js";
import { cloudSettings } from "../../cloud-settings.ts";
import { stackKind } from "../../components/stack-kind.ts";
import { AROUND_HOSTS } from "../../contract/stack-kind.ts";

const SCRIPT = new URL("../support/loaded-modules.ts", import.meta.url).pathname;
const HEAVY = ["@ovhcloud/pulumi-ovh", "@pulumi/aws", "@pulumi/command", "@pulumi/policy"];

/** Which of the heavy packages the program of a stack loads, in a process of its own. */
function heavyOf(stack: string, config: object = {}): string[] {
  const argv = ["--disable-warning=ExperimentalWarning", SCRIPT, stack, JSON.stringify(config)];
  const loaded = execFileSync(process.execPath, argv, { encoding: "utf8" }).split("\n");
  assert.ok(loaded.includes("@pulumi/pulumi"), "nothing was measured");
  return loaded.filter((name) => HEAVY.includes(name));
}

describe("the SDKs of clouds, commands and policies, which take most of a second each to load", () => {
  it("are loaded by no stack that has nothing of them: grind and prod", () => {
    assert.deepEqual(heavyOf("grind"), []);
    assert.deepEqual(heavyOf("prod"), []);
  });

  it("are loaded each by the stack that needs it, and no other", () => {
    const after = [{ kind: "command", name: "tell", argv: ["true"] }];
    assert.deepEqual(heavyOf("prod", { "choiros:hooks": { after } }), ["@pulumi/command"]);
    const servers = { a: { kind: "vps", serviceName: "vps-0123abcd.vps.example.net" } };
    assert.deepEqual(heavyOf("cloud", { ovh: { servers } }), ["@ovhcloud/pulumi-ovh"]);
    const aws = { region: "eu-central-1", account: "111122223333" };
    assert.deepEqual(heavyOf("cloud", { aws }), ["@pulumi/aws"]);
    const record = {
      kind: "ovhRecord",
      zone: "example.com",
      active: "a",
      hosts: { a: "192.0.2.1" },
      verify: [{ kind: "command", name: "visit", argv: ["true"] }],
    };
    assert.deepEqual(heavyOf("cloud", { traffic: record }), ["@ovhcloud/pulumi-ovh"]);
  });
});

describe("which program a stack runs", () => {
  const is = (...keys: string[]) => {
    setAllConfig(Object.fromEntries(keys.map((key) => [`choiros:${key}`, "{}"])));
    return stackKind("choiros") === "cloud";
  };

  it("is that of the cloud where it has no host, and something of the cloud", () => {
    for (const group of Object.keys(cloudSettings.shape)) assert.ok(is(group), group);
    assert.deepEqual(AROUND_HOSTS, Object.keys(cloudSettings.shape));
  });

  it("is that of a fleet where it has many", () => {
    const kind = (...keys: string[]) => {
      setAllConfig(Object.fromEntries(keys.map((key) => [`choiros:${key}`, "{}"])));
      return stackKind("choiros");
    };
    assert.equal(kind("fleet", "release"), "fleet");
    assert.equal(kind("fleet", "traffic"), "fleet");
    assert.equal(kind("host", "fleet"), "host");
  });

  it("is that of a host otherwise, which says what is missing", () => {
    assert.ok(!is());
    assert.ok(!is("host"));
    assert.ok(!is("host", "traffic"));
    assert.ok(!is("release", "health"));
  });
});
