import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { runCloud } from "../support/cloud.ts";
import { previewOf } from "../support/preview.ts";
import { runProgram } from "../support/program.ts";
import type { Registration } from "../support/registrations.ts";
import { EVALUATION, GRIND, MANIFEST, pathOf, REV, withId } from "../support/samples.ts";
import { configOf } from "../support/stack-config.ts";

const yaml: { load(text: string): unknown } = createRequire(import.meta.url)("js-yaml");
const FILE = new URL("../../docs/cutover-aws-to-ovh.md", import.meta.url);
const PREVIEW = /^```\n\$ (pulumi (preview|destroy --preview-only) --stack (\S+))\n([^`]*)```$/;

const hosts = {
  ...MANIFEST.hosts,
  "choiros-a": {
    ...{ path: pathOf("nixos-system-choiros-a-b"), narHash: "sha256-AAAA" },
    ...{ narSize: 1000, closureSize: 5000, system: "x86_64-linux" },
  },
};
const release = { rev: REV, subject: EVALUATION.subject, builder: GRIND };
const offer = { release: { ...release, manifest: withId({ ...MANIFEST, hosts }) }, healthy: true };
const runs = { id: "id-1", rev: REV, subject: EVALUATION.subject };
const examinable = { connection: { kind: "ssh", host: "198.51.100.20" }, probes: [] };
const well = { release: runs, healthy: true, examinable };
const stacks = {
  "organization/choiros/prod": well,
  "organization/choiros/prod-ovh": well,
};
/** What a stack that has been up says of its own traffic. */
const proven = { traffic: { active: "choiros-prod", target: "192.0.2.10" } };

/** What the program registers for the settings of one stack. */
async function registeredBy(
  config: Record<string, unknown>,
  before: readonly Registration[],
): Promise<Registration[]> {
  if (config["choiros:host"] === undefined) {
    const plain = Object.entries(config).map(([key, value]) => [
      key.replace("choiros:", ""),
      value,
    ]);
    const own = before.length > 0 ? { "organization/choiros/cloud": proven } : {};
    const world = { stacks: { ...stacks, ...own } };
    return (await runCloud(Object.fromEntries(plain), world)).registrations;
  }
  const nothing = Object.keys(configOf("prod")).map((key) => [key, undefined]);
  const settings = { ...Object.fromEntries(nothing), ...config };
  return (await runProgram({ stack: "prod", preview: true, offer, config: settings }))
    .registrations;
}

/** The runbook with every preview in it as it comes out; `UPDATE_DOCS=1` writes that. */
async function played(text: string): Promise<string> {
  const configs = new Map<string, Record<string, unknown>>();
  const now = new Map<string, Registration[]>();
  const parts: string[] = [];
  for (const part of text.split(/^(```[^`]*?^```$)/m)) {
    const [, stack] = /^```yaml\n# Pulumi\.(\S+)\.yaml\n/.exec(part) ?? [];
    if (stack !== undefined) configs.set(stack, configIn(part));
    const [, command, kind, of = ""] = PREVIEW.exec(part) ?? [];
    if (kind === undefined) {
      parts.push(part);
      continue;
    }
    const before = now.get(of) ?? [];
    const after = kind === "preview" ? await registeredBy(configs.get(of) ?? {}, before) : [];
    now.set(of, after);
    parts.push(`\`\`\`\n$ ${command}\n${previewOf(before, after)}\n\`\`\``);
  }
  return parts.join("");
}

function configIn(block: string): Record<string, unknown> {
  const text = block.replace(/^```yaml\n/, "").replace(/```$/, "");
  return (yaml.load(text) as { config: Record<string, unknown> }).config;
}

describe("the runbook from AWS to OVH", () => {
  let text: string;
  let comesOut: string;

  before(async () => {
    text = readFileSync(FILE, "utf8");
    comesOut = await played(text);
    if (process.env.UPDATE_DOCS === "1") writeFileSync(FILE, comesOut);
  });

  const previewsIn = (document: string) =>
    document.split(/^(```[^`]*?^```$)/m).flatMap((part) => {
      const found = PREVIEW.exec(part);
      return found === null ? [] : [{ command: found[1] ?? "", said: found[4] ?? "" }];
    });
  const previews = () => previewsIn(comesOut);

  it("shows what previews of its own settings say", () => {
    assert.ok(previews().length >= 9);
    if (process.env.UPDATE_DOCS !== "1") assert.deepEqual(previewsIn(text), previews());
  });

  it("flips traffic by one update of one record, between our own two, and replaces nothing on the whole way", () => {
    const flips = previews().filter(({ command }) => command.endsWith("preview --stack traffic"));
    const updates = (flips[1]?.said ?? "").split("\n").map((line) => line.split(/ {2,}/));
    assert.deepEqual(
      updates.map(([sign, type, _name, plan, info]) => [sign, type, plan, info]),
      [
        ["~", "aws:route53:Record", "update", "[diff: ~records]"],
        ["~", "nixos:index:Fitness", "update", "[diff: ~from,~move,~to]"],
        ["~", "nixos:index:Proof", "update", "[diff: ~from,~to]"],
        ["", "1 unchanged", undefined, undefined],
        ["", undefined, undefined, undefined],
      ],
    );
    for (const { command, said } of previews()) assert.doesNotMatch(said, /replace/, command);
  });

  it("deletes nothing that holds data or an address", () => {
    for (const { command, said } of previews())
      for (const line of said.split("\n").filter((one) => /Bucket |Record|Instance /.test(one)))
        assert.ok(!line.startsWith("-") || line.endsWith("[retain]"), `${command}: ${line}`);
  });

  it("names nothing but examples", () => {
    const addresses = text.match(/\b\d+\.\d+\.\d+\.\d+\b/g) ?? [];
    assert.ok(addresses.length > 0);
    for (const address of addresses)
      assert.match(address, /^(192\.0\.2|198\.51\.100|203\.0\.113|127\.0\.0)\./);
    for (const name of text.match(/\b[\w-]+\.(com|net|org|eu)\b/g) ?? [])
      assert.match(name, /^example\.com$|^ip-198-51-100\.eu$/);
  });
});
