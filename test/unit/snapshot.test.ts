import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { known, plainName, type Snapshot, snapshot } from "../../contract/snapshot.ts";
import { diffSnapshots } from "../../contract/snapshot-diff.ts";
import { exportSnapshot, importSnapshot } from "../../contract/snapshot-env.ts";

const SUM = "a".repeat(64);
const OTHER = "b".repeat(64);
const BIN = "/opt/choiros/bin/hypervisor";
const KEY = "/opt/choiros/secrets/platform/zai_api_key";

function of(more: Partial<Snapshot> = {}): Snapshot {
  return {
    ...{ version: 1, createdAt: 1767225600, hostname: "choiros-prod", machineId: "1" },
    ...{ nixosVersion: "26.05.143a155", nixVersion: "2.31.2", kernel: "6.12.1", generation: "12" },
    ...{ currentSystem: "/nix/store/a", bootedSystem: "/nix/store/a", profile: "/nix/store/a" },
    repo: { path: "/opt/choiros/workspace", head: "9".repeat(40), dirty: "false" },
    components: { hypervisor: { link: BIN, path: "/nix/store/h/bin/hypervisor", sha256: SUM } },
    units: { "hypervisor.service": unit() },
    failedUnits: [],
    secrets: { [KEY]: { state: "present", owner: "root:root", mode: "400" } },
    data: { "/opt/choiros/data": { state: "present", owner: "root:root", mode: "755" } },
    disks: { "/": { bytes: 100, free: 50 } },
    caches: {
      substituters: ["https://cache.nixos.org"],
      trustedPublicKeys: ["cache.nixos.org-1:k"],
    },
    health: { hypervisor: { state: "ok", target: "http://127.0.0.1:9090/login" } },
    ...more,
  };
}

function unit(more: Partial<Record<"active" | "sub" | "result", string>> = {}) {
  const environmentFiles = ["/run/choiros/hypervisor.env"];
  return { active: "active", sub: "running", result: "success", environmentFiles, ...more };
}

const component = (sha256: string) => ({
  hypervisor: { link: BIN, path: "/nix/store/h/bin/hypervisor", sha256 },
});

describe("two snapshots", () => {
  const table: [string, Partial<Snapshot>, string, RegExp][] = [
    ["of the same host", {}, "alike", /^Both run the same, and alike\.$/],
    [
      "with another program",
      { components: component(OTHER) },
      "release-drift",
      /^Release drift: component hypervisor\.$/,
    ],
    ["where one lacks a program", { components: {} }, "release-drift", /component hypervisor/],
    [
      "with another program, and another health",
      { components: component(OTHER), health: { hypervisor: { state: "fail", target: "" } } },
      "release-drift",
      /^Release drift/,
    ],
    [
      "of one host with another system",
      { currentSystem: "/nix/store/b" },
      "release-drift",
      /system/,
    ],
    [
      "of two hosts with a system each",
      {
        hostname: "choiros-grind",
        machineId: "2",
        currentSystem: "/nix/store/b",
        profile: "/nix/store/b",
      },
      "alike",
      /alike/,
    ],
    [
      "with another NixOS version",
      { nixosVersion: "26.05.47606b0" },
      "release-drift",
      /NixOS version/,
    ],
    [
      "where the hash is not known",
      { components: component("unknown") },
      "undecided",
      /cannot be told: component hypervisor/,
    ],
    [
      "where no program is known",
      { components: "unknown" },
      "undecided",
      /components could not be read/,
    ],
    [
      ...([
        "with a sick service",
        { health: { hypervisor: { state: "fail", target: "" } } },
        "same-binaries",
      ] as const),
      /^The same binaries, but not alike: health of hypervisor\. Look at the data \(\/opt\/choiros\/data\) and at the secrets\.$/,
    ],
    [
      "with a unit that is down",
      { units: { "hypervisor.service": unit({ active: "failed", result: "exit-code" }) } },
      "same-binaries",
      /unit hypervisor_service/,
    ],
    ["with a failed unit", { failedUnits: ["backup.service"] }, "same-binaries", /failed units/],
    [
      "where a secret is missing",
      { secrets: { [KEY]: { state: "absent", owner: "absent", mode: "absent" } } },
      "same-binaries",
      /secret \/opt\/choiros\/secrets/,
    ],
    [
      "where others may read a secret",
      { secrets: { [KEY]: { state: "present", owner: "root:root", mode: "644" } } },
      "same-binaries",
      /secret/,
    ],
    [
      "with other caches",
      { caches: { substituters: [], trustedPublicKeys: ["cache.nixos.org-1:k"] } },
      "same-binaries",
      /substituters/,
    ],
    [
      "where units are not known",
      { units: "unknown", health: "unknown", caches: "unknown" },
      "alike",
      /alike/,
    ],
    [
      "at another time, with less room",
      { createdAt: 1, disks: {}, generation: "13" },
      "alike",
      /alike/,
    ],
  ];
  for (const [what, more, verdict, sentence] of table) {
    it(`${what}: ${verdict}`, () => {
      const said = diffSnapshots(of(), of(more));
      assert.equal(said.verdict, verdict, said.sentence);
      assert.match(said.sentence, sentence);
      assert.equal(diffSnapshots(of(more), of()).verdict, verdict, "from the other side too");
    });
  }

  it("are alike if they are one, whatever is in it", () => {
    fc.assert(
      fc.property(snapshots, (one) => {
        const { verdict, differences } = diffSnapshots(one, one);
        assert.deepEqual(
          differences.filter(({ about }) => about !== "blind"),
          [],
        );
        assert.ok(verdict === "alike" || verdict === "undecided");
      }),
    );
  });

  it("differ in the same from both sides", () => {
    fc.assert(
      fc.property(snapshots, snapshots, (a, b) => {
        const [there, back] = [diffSnapshots(a, b), diffSnapshots(b, a)];
        assert.equal(there.verdict, back.verdict);
        const turned = back.differences.map(({ about, what, a: x, b: y }) => ({
          about,
          what,
          a: y,
          b: x,
        }));
        assert.deepEqual(there.differences, turned);
      }),
    );
  });
});

const line = fc
  .string({ unit: "binary", maxLength: 30 })
  .map((text) => text.replaceAll(/\p{Cc}|\p{Cs}/gu, " "));
const name = fc.stringMatching(/^[a-z][a-z@.-]{0,12}[a-z]$/);
const filePath = fc.stringMatching(/^\/[a-z]{1,8}$/);
const snapshots: fc.Arbitrary<Snapshot> = fc
  .record({
    ...{
      createdAt: fc.integer({ min: 0, max: 4_000_000_000 }),
      hostname: line,
      nixosVersion: line,
      currentSystem: line,
    },
    repo: fc.option(fc.record({ path: line, head: line, dirty: line })),
    components: fc.dictionary(
      name,
      fc.record({
        link: line,
        path: line,
        sha256: fc.constantFrom(SUM, OTHER, "absent", "unknown"),
      }),
    ),
    units: fc.dictionary(
      name.map((text) => `${text}.service`),
      fc.record({
        active: line,
        sub: line,
        result: line,
        environmentFiles: fc.array(filePath, { maxLength: 3 }),
      }),
    ),
    health: fc.dictionary(name, fc.record({ state: fc.constantFrom("ok", "fail"), target: line })),
  })
  .map((more) => of(more));

describe("a snapshot as key=value", () => {
  it("has the keys that operators know", () => {
    assert.deepEqual(
      exportSnapshot(
        of({
          units: {
            "container@sandbox-live.service": { ...unit(), environmentFiles: [] },
            "hypervisor.service": unit(),
          },
        }),
      ).split("\n"),
      [
        ...[
          "snapshot_version=1",
          "snapshot_created_at=2026-01-01T00:00:00Z",
          "hostname=choiros-prod",
        ],
        ...[
          "nixos_version=26.05.143a155",
          "current_system=/nix/store/a",
          "repo_path=/opt/choiros/workspace",
        ],
        ...[`repo_head=${"9".repeat(40)}`, "repo_head_short=999999999999", "repo_dirty=false"],
        ...[
          "binary_hypervisor_path=/nix/store/h/bin/hypervisor",
          `binary_hypervisor_sha256=${SUM}`,
        ],
        "service_container_sandbox_live_service_active=active",
        "service_container_sandbox_live_service_substate=running",
        "service_container_sandbox_live_service_result=success",
        ...[
          "service_hypervisor_service_active=active",
          "service_hypervisor_service_substate=running",
        ],
        ...["service_hypervisor_service_result=success", "health_hypervisor=ok"],
        "health_hypervisor_url=http://127.0.0.1:9090/login",
        ...["hypervisor_env_files=/run/choiros/hypervisor.env", ""],
      ],
    );
  });

  const kept = (host: string) =>
    readFileSync(new URL(`../fixtures/snapshot-${host}.env`, import.meta.url), "utf8");

  for (const host of ["grind", "prod"])
    it(`as operators have kept it of ${host} is read, and written with the same bytes`, () => {
      const read = snapshot.parse(importSnapshot(kept(host)));
      assert.equal(read.hostname, `choiros-${host}`);
      assert.equal(read.createdAt, Date.parse("2026-02-22T18:04:11Z") / 1000);
      assert.deepEqual(Object.keys(known(read.components)), [
        ...["sandbox", "hypervisor", "dioxus_desktop"],
      ]);
      assert.equal(Object.keys(known(read.units)).length, 4);
      assert.equal(exportSnapshot(read), kept(host));
    });

  it("as operators have kept it of two hosts tells release drift from what came of it", () => {
    const [grind, prod] = [importSnapshot(kept("grind")), importSnapshot(kept("prod"))];
    const { verdict, differences } = diffSnapshots(grind, prod);
    assert.equal(verdict, "release-drift");
    const about = (kind: string) =>
      differences.filter((one) => one.about === kind).map(({ what }) => what);
    assert.ok(about("release").some((what) => what.includes("hypervisor")));
    assert.ok(about("behaviour").some((what) => what.includes("sandbox_dev")));
  });

  it("comes back with all that it tells, and is the same text again", () => {
    fc.assert(
      fc.property(snapshots.filter(hasPlainNames), (one) => {
        const text = exportSnapshot(one);
        const back = snapshot.parse(importSnapshot(text));
        assert.equal(exportSnapshot(back), text);
        assert.equal(back.currentSystem, one.currentSystem);
        const drift = diffSnapshots(one, back).differences.filter(
          ({ about }) => about === "release",
        );
        assert.deepEqual(drift, []);
      }),
    );
  });

  /** Two names that are one with underscores cannot both come back, nor one that looks like another key. */
  function hasPlainNames({ components, units, health }: Snapshot): boolean {
    return [components, units, health].every((part) => {
      const names = Object.keys(part).map(plainName);
      return (
        new Set(names).size === names.length &&
        names.every((text) => !/_(url|path|sha256|active|substate|result)$/.test(text))
      );
    });
  }

  it("is data: nothing in it is run, and unknown keys are passed over", () => {
    const evil =
      "snapshot_version=1\nsnapshot_created_at=2026-01-01T00:00:00Z\nhostname=$(touch /tmp/evil); `id` 'x'\r\n# note\n\nmore=1\n";
    assert.equal(importSnapshot(evil).hostname, "$(touch /tmp/evil); `id` 'x'");
  });

  for (const [text, reason] of [
    ["", /\[snapshot_version\] is "unknown"/],
    ["snapshot_version=2\n", /\[snapshot_version\] is "2", not 1/],
    ["snapshot_version=1\n", /\[snapshot_created_at\] is no time/],
    ["snapshot_version=1\nexport A=1\n", /Line 2 is not key=value/],
    ["snapshot_version=1\nnonsense\n", /Line 2 is not key=value: "nonsense"/],
  ] as const)
    it(`is refused where it is ${JSON.stringify(text)}`, () =>
      assert.throws(() => importSnapshot(text), reason));

  it("compares with one of our own", () => {
    const theirs = importSnapshot(exportSnapshot(of({ components: component(OTHER) })));
    assert.equal(diffSnapshots(of(), theirs).verdict, "release-drift");
    assert.equal(diffSnapshots(of(), importSnapshot(exportSnapshot(of()))).verdict, "alike");
  });
});
