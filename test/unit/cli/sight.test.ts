import assert from "node:assert/strict";
import { type Seen, statusLines } from "../../../cli/commands/status.ts";
import { lookAt, type Sight, sightOf } from "../../../cli/sight.ts";
import { widthOf, wrap } from "../../../cli/text.ts";
import type { HostState } from "../../../contract/host-state.ts";
import { Failure } from "../../../providers/errors.ts";
import { parseSettings } from "../../../settings.ts";
import {
  hostState,
  pathOf,
  REV,
  SYSTEM_A,
  SYSTEM_B,
  unitState,
  verdictOf,
} from "../../support/samples.ts";
import { settingsOf } from "../../support/stack-config.ts";

const SETTINGS = parseSettings({
  ...settingsOf("prod"),
  health: [{ name: "hypervisor-unit", kind: "unit", unit: "hypervisor.service" }],
});
const NOW = 1767225612 + 7200;
const BY = { user: "alice", host: "laptop", pid: "11", stack: "prod" };
const LEDGER = {
  ...{ at: 1767225612, id: "activate-1", mode: "switch", outcome: "committed" },
  ...{ toplevel: SYSTEM_B, release: { rev: REV, subject: "hypervisor: say hello" } },
};

function last(result: unknown, state: "running" | "finished" | "lost" = "finished") {
  return {
    ...{ id: "activate-1", by: BY, what: "release", path: SYSTEM_B, contract: "c" },
    ...{ startedAt: 1767225600, step: "health", since: 1767225612, state, result },
  };
}

function sight(more: Partial<HostState> = {}): Sight {
  const result = verdictOf({
    probes: [{ name: "p", kind: "unit", ok: true, attempts: 1, seconds: 1, answer: "active" }],
  });
  return sightOf(hostState({ ledger: LEDGER, last: last(result), ...more }), SETTINGS);
}

describe("a host at a glance", () => {
  it("is healthy when it runs its release and nothing drifts", () => {
    const seen = sight();
    assert.equal(seen.health, "healthy");
    assert.deepEqual(seen.notes, []);
    assert.deepEqual(seen.release, { rev: REV, subject: "hypervisor: say hello" });
    assert.equal(seen.since, 1767225612);
    assert.deepEqual(seen.last?.probes, { passed: 1, all: 1 });
    assert.equal(seen.last?.by, "alice@laptop (process 11, stack prod)");
  });

  describe("with programs behind links", () => {
    const lead = `${pathOf("hypervisor-1.5.0")}/bin/hypervisor`;
    const links = {
      directory: "/opt/choiros/bin",
      files: { hypervisor: { component: "hypervisor", file: "bin/hypervisor" } },
    };
    const seen = (strategy: string, more: Partial<HostState>) =>
      sightOf(
        hostState({ ledger: { ...LEDGER, after: { links: { hypervisor: lead } } }, ...more }),
        parseSettings({ ...settingsOf("prod"), activation: { strategy, links } }),
      ).drift;
    const noUnits = /container|hypervisor\.service|caddy/;
    const linkDrift = (strategy: string, more: Partial<HostState>) =>
      seen(strategy, more).filter((sentence) => !noUnits.test(sentence));

    it("drifts from where the last transaction has left them", () => {
      assert.deepEqual(linkDrift("closure", { links: { hypervisor: lead } }), []);
      const [sentence, ...more] = linkDrift("closure", { links: { hypervisor: "/root/mine" } });
      assert.match(
        sentence ?? "",
        /^\/opt\/choiros\/bin\/hypervisor leads to \/root\/mine, not to/,
      );
      assert.deepEqual(more, []);
    });

    it("says nothing of the system where they are all that the release has", () => {
      const other = { links: { hypervisor: lead }, currentSystem: SYSTEM_A };
      assert.deepEqual(linkDrift("links", other), []);
      assert.match(linkDrift("closure", other).join(), /runs .*-a, not the release's/);
    });

    it("asks the host where they lead", async () => {
      const settings = parseSettings({ ...settingsOf("prod"), activation: { links } });
      let asked: unknown;
      await lookAt(settings, async (_, question) => {
        asked = question?.links;
        return hostState({ ledger: null });
      });
      assert.deepEqual(asked, { directory: links.directory, names: ["hypervisor"], alone: false });
    });
  });

  const inactive = unitState({ active: "inactive", sub: "dead" });
  for (const [what, more, health, note] of [
    [
      "another system by hand",
      { currentSystem: SYSTEM_A },
      "drift",
      /^runs .*-a, not the release's/,
    ],
    [
      "a stopped unit",
      { units: { "hypervisor.service": inactive } },
      "drift",
      /hypervisor\.service is inactive/,
    ],
    [
      "a transaction that runs",
      { last: last(null, "running") },
      "busy",
      /a transaction is running: .*alice@laptop/,
    ],
    [
      "one that was cut off",
      { last: last(null, "lost") },
      "unhealthy",
      /interrupted: It was cut off in step health/,
    ],
    [
      "a failed rollback",
      { last: last(verdictOf({ outcome: "rollback-failed", reason: "503." })) },
      "unhealthy",
      /rollback-failed: 503/,
    ],
    [
      "no promotion ever",
      { ledger: null, last: null },
      "no release",
      /which no promotion has put there/,
    ],
    [
      "a new kernel",
      { rebootFor: "kernel, initrd" },
      "healthy",
      /a reboot is due for another kernel, initrd/,
    ],
    [
      "a failed unit elsewhere",
      { failedUnits: ["backup.service"] },
      "healthy",
      /failed units: backup\.service/,
    ],
    [
      "a release that was refused",
      { last: last(verdictOf({ outcome: "rolled-back", reason: "503." })) },
      "healthy",
      /the last transaction rolled-back: 503\./,
    ],
  ] as [string, Partial<HostState>, string, RegExp][])
    it(`${what}: ${health}`, () => {
      const seen = sight(more);
      assert.equal(seen.health, health);
      assert.match(seen.notes.join("\n"), note);
    });

  it("that is another machine drifts", () => {
    const settings = { ...SETTINGS, host: { ...SETTINGS.host, machineId: "f".repeat(32) } };
    const seen = sightOf(hostState({ ledger: LEDGER }), settings);
    assert.equal(seen.health, "drift");
    assert.match(seen.notes[0] ?? "", /is the machine 0123.*, not \[host\.machineId\] ffff/);
  });

  it("that does not answer is told as such, with the reason", async () => {
    const refuses = () => Promise.reject(new Failure("auth", "prod: it refused every key."));
    const seen = await lookAt(SETTINGS, refuses);
    assert.equal(seen.health, "unreachable");
    assert.deepEqual(seen.error, { kind: "auth", message: "prod: it refused every key." });
  });
});

describe("the table of all hosts", () => {
  const paper = (width: number) => ({
    width,
    paint: (text: string) => text,
    wrap: (text: string, margins: object) => wrap(text, width, margins).split("\n"),
  });
  const seen = (name: string, sight: Sight | undefined, host = `choiros-${name}`): Seen => ({
    stack: { name, host, mistakes: "There are\n  [choiros:host] mistakes" },
    sight,
  });
  const subject =
    "日本語 hypervisor 1.5.0; sandbox runtime 0.2.0, for the dev sandbox first, and more";
  const all = [
    seen("grind", sight({ ledger: { ...LEDGER, release: { rev: REV, subject } } })),
    seen("prod", sight({ currentSystem: SYSTEM_A })),
    seen("web", undefined, "web\x1b[31m.example"),
  ];

  it("at 80 columns", () => {
    const lines = statusLines(all, paper(80), NOW);
    for (const line of lines) assert.ok(widthOf(line) <= 80 || !line.trim().includes(" "), line);
    assert.match(lines[0] ?? "", /^STACK {2}HOST {11}HEALTH {10}FOR {2}RELEASE$/);
    assert.match(
      lines[1] ?? "",
      /^grind {2}choiros-grind {2}healthy {9}2 h {2}9ace77e00000 日本語 hyp.*…$/,
    );
    assert.match(lines.join("\n"), /prod {3}choiros-prod {3}drift/);
    assert.match(lines.join("\n"), / {2}! runs \S+-a, not the/);
    assert.match(lines.join("\n"), /web {4}web\.example {4}wrong settings/);
    assert.match(lines.join("\n"), / {2}! There are\n {2}! {3}\[choiros:host\] mistakes/);
  });

  it("at 200 columns nothing is cut", () => {
    const text = statusLines(all, paper(200), NOW).join("\n");
    assert.ok(text.includes(subject));
    assert.doesNotMatch(text.replaceAll(/\S{7}…-/g, ""), /…/);
    assert.ok(!text.includes("\x1b"));
  });
});
