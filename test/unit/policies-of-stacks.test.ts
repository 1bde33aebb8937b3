import assert from "node:assert/strict";
import { isProduction, RULES, type Seen } from "../../policy/rules.ts";

const BUILD: Seen = {
  type: "nixos:index:Build",
  props: { connection: { kind: "ssh", host: "grind" }, signingKeyFile: "/run/keys/release" },
};
const CLOSURE: Seen = {
  type: "nixos:index:Closure",
  props: {
    connection: { kind: "ssh", host: "prod", hostKey: "ssh-ed25519 AAAA" },
    transport: {
      ...{ via: "cache", check: "fail", hostBuildFallback: false },
      builder: { kind: "ssh", host: "grind" },
    },
  },
};
const PROFILE: Seen = {
  type: "nixos:index:SystemProfile",
  props: {
    connection: { kind: "awsSsm", tag: { Name: "prod" } },
    ...{ mode: "switch", confirm: true, strategy: "closure" },
    probes: [{ kind: "http", url: "http://127.0.0.1:9090/login" }],
    preflight: { credentials: "present" },
  },
};

const change = ({ type, props }: Seen, changed: object): Seen => ({
  type,
  props: { ...props, ...changed },
});
const copied = (changed: object) =>
  change(CLOSURE, { transport: { ...(CLOSURE.props["transport"] as object), ...changed } });
const probing = (probe: object) => change(PROFILE, { probes: [probe] });
const reached = (connection: object) => change(PROFILE, { connection });

const firstSeen = { kind: "ssh", host: "prod", acceptNewHostKey: true };
const token = `ghp_${"a1B2".repeat(9)}`;
const privateKey = ["-----BEGIN OPENSSH PRIVATE", "KEY-----"].join(" ");

const violations: [rule: string, what: string, seen: Seen, complaint: RegExp][] = [
  ["production-builds-nothing", "a build", BUILD, /^\[release\.from\]/],
  [
    ...(["production-builds-nothing", "a host that builds what no cache has"] as const),
    ...([copied({ hostBuildFallback: true }), /^\[copy\.hostBuildFallback\]/] as const),
  ],
  [
    ...(["production-builds-nothing", "a host that builds from a checkout"] as const),
    ...([change(PROFILE, { strategy: "flake" }), /^\[activation\.strategy\]/] as const),
  ],
  [
    ...(["releases-are-signed", "a build without a key"] as const),
    ...([change(BUILD, { signingKeyFile: undefined }), /^\[release\.signingKeyFile\]/] as const),
  ],
  ["production-checks-caches", "a mere warning", copied({ check: "warn" }), /^\[copy\.check\]/],
  ["production-checks-caches", "the default", copied({ check: undefined }), /^\[copy\.check\]/],
  [
    ...(["production-has-a-way-back", "no confirmation"] as const),
    ...([change(PROFILE, { confirm: false }), /^\[activation\.confirm\]/] as const),
  ],
  [
    ...(["production-has-a-way-back", "a boot default before the proof"] as const),
    ...([change(PROFILE, { mode: "immediate" }), /^\[activation\.mode\]/] as const),
  ],
  ["host-keys-are-known", "the first key seen", reached(firstSeen), /acceptNewHostKey/],
  [
    ...(["host-keys-are-known", "the same on the way that is the second"] as const),
    ...([
      reached({ kind: "either", primary: PROFILE.props["connection"], fallback: firstSeen }),
      /acceptNewHostKey/,
    ] as const),
  ],
  ["host-keys-are-known", "the same to the builder", copied({ builder: firstSeen }), /accept/],
  ["no-secrets-in-plain-text", "a token", probing({ body: token }), /^\[probes\.0\.body\]/],
  [
    ...(["no-secrets-in-plain-text", "a password in an address"] as const),
    ...([probing({ url: "https://bob:hunter2@example.com" }), /^\[probes\.0\.url\]/] as const),
  ],
  ["no-secrets-in-plain-text", "a private key", probing({ body: privateKey }), /^\[probes\.0/],
  ["no-secrets-in-plain-text", "a key of AWS", probing({ id: "AKIAABCDEFGHIJKLMNOP" }), /\.id\]/],
  ["no-secrets-in-plain-text", "a password", probing({ adminPassword: "hunter2" }), /Password\]/],
];

describe("the policies of stacks", () => {
  for (const rule of RULES)
    it(`${rule.name} is content with a stack that is as it should be`, () => {
      const fine = rule.name === "production-builds-nothing" ? [] : [BUILD];
      for (const seen of [...fine, CLOSURE, PROFILE])
        assert.deepEqual(rule.complaints(seen), [], seen.type);
    });

  for (const [name, what, seen, complaint] of violations)
    it(`${name} refuses ${what}`, () => {
      const complaints = RULES.find((rule) => rule.name === name)?.complaints(seen);
      assert.equal(complaints?.length, 1);
      assert.match(complaints[0] ?? "", complaint);
    });

  it("are each violated by one of these", () => {
    const violated = new Set(violations.map(([rule]) => rule));
    assert.deepEqual([...violated].sort(), RULES.map(({ name }) => name).sort());
  });

  it("leave paths of secrets alone, and what is of other providers", () => {
    const rule = RULES.find(({ name }) => name === "no-secrets-in-plain-text");
    const props = { passwordFile: "/run/keys/a", password: "/run/keys/a", token: "" };
    assert.deepEqual(rule?.complaints({ type: PROFILE.type, props }), []);
    const foreign = { type: "command:local:Command", props: { environment: { TOKEN: "a" } } };
    assert.deepEqual(rule?.complaints(foreign), []);
  });

  it("know production by the name of the stack, or by its tag", () => {
    const stackOf = (name: string, tags: Record<string, string> = {}) => ({
      urn: `urn:pulumi:${name}::choiros::nixos:index:Build::release`,
      stackTags: new Map(Object.entries(tags)),
    });
    assert.ok(isProduction(stackOf("prod")));
    assert.ok(!isProduction(stackOf("grind")));
    assert.ok(isProduction(stackOf("blue", { environment: "production" })));
    assert.ok(!isProduction(stackOf("blue", { environment: "staging" })));
    assert.ok(isProduction(stackOf("blue"), ["blue"]));
    assert.ok(!isProduction(stackOf("prod"), ["blue"]));
  });

  it("print no secret", () => {
    for (const [, , seen] of violations)
      for (const rule of RULES)
        assert.doesNotMatch(rule.complaints(seen).join("\n"), /hunter2|ghp_|AKIA|BEGIN/);
  });
});
