import { compare, type HostReport, type ReportDocument } from "../../cli/report/document.ts";
import type { LedgerRecord } from "../../contract/ledger.ts";
import type { ProbeResult } from "../../contract/verdict.ts";
import { OTHER_REV, pathOf, REV, SYSTEM_A, SYSTEM_B, verdictOf } from "./samples.ts";

const MIB = 1024 * 1024;
type Closure = [string, number][];

const PACKAGES: [string, number][] = [
  ["linux-6.12.8", 131],
  ["firmware-20261101", 96],
  ["systemd-257.4", 62],
  ["python3-3.13.2", 58],
  ["glibc-2.40", 41],
  ["nodejs-24.21.0", 88],
  ["hypervisor-1.5.0", 74],
  ["nix-2.26.3", 33],
  ["perl-5.40.1", 29],
  ["caddy-2.9.1", 47],
  ["openssl-3.4.1", 9],
  ["openssh-9.9p2", 11],
  ["git-2.48.1", 24],
  ["bash-5.2p37", 7],
  ["coreutils-9.6", 4],
  ["sandbox-0.2.0", 19],
  ["desktop-2.0", 3],
  ["curl-8.12.1", 2.1],
  ["sqlite-3.48.0", 3.4],
  ["zlib-1.3.1", 0.4],
];

function closureOf(more: Closure, replace: Record<string, string> = {}): Closure {
  const many = Array.from({ length: 90 }, (_, index): [string, number] => [
    `lib${"abcdefghijklmnopqrstuvwxyz"[index % 26]}${index}-1.${index}`,
    ((index * 37) % 50) / 25 + 0.02,
  ]);
  const all = [...PACKAGES, ...many].map(([name, mib]): [string, number] => [
    pathOf(replace[name] ?? name),
    Math.round(mib * MIB),
  ]);
  return [...all, ...more];
}

const BEFORE = closureOf(
  [
    [SYSTEM_A, 9000],
    [pathOf("jq-1.7"), 900_000],
  ],
  {
    "hypervisor-1.5.0": "hypervisor-1.4.0",
    "caddy-2.9.1": "caddy-2.8.4",
    "desktop-2.0": "sandbox-0.1.0",
  },
);
const AFTER = closureOf([[SYSTEM_B, 9100]]);

const ACCOUNTS_BEFORE = {
  accounts: {
    by: "users-groups",
    users: { root: { uid: 0 }, carol: {} },
    groups: { wheel: { members: [] } },
  },
  etc: { "ssh/ssh_config": "1", issue: "1" },
};
const ACCOUNTS_AFTER = {
  accounts: {
    by: "users-groups",
    users: { root: { uid: 0, hidden: "1" }, alice: {} },
    groups: { wheel: { members: ["alice"] } },
  },
  etc: { "ssh/ssh_config": "2", "caddy/caddy_config": "1" },
};

const probe = (name: string, more: Partial<ProbeResult> = {}): ProbeResult => ({
  ...{ name, kind: "http", required: true, ok: true, attempts: 1, seconds: 0.041, answer: "200" },
  ...more,
});

export const RECORD: LedgerRecord = {
  ...{ at: 1764093172, id: "activate-20261125T175240Z-9f2c", mode: "switch", outcome: "committed" },
  ...{
    toplevel: SYSTEM_B,
    previous: SYSTEM_A,
    release: {
      rev: REV,
      subject: "hypervisor 1.5.0; sandbox runtime 0.2.0, for the dev sandbox first",
    },
  },
  ...{
    by: { user: "alice", host: "laptop", stack: "prod" },
    executor: "ssh",
    failedStep: null,
    reason: null,
  },
  ...{ startedAt: 1764093160, finishedAt: 1764093172, diagnosticsFile: null },
  steps: [
    { name: "preflight", seconds: 0.412 },
    { name: "test", seconds: 1.903 },
    { name: "health", seconds: 6.42 },
    { name: "await-confirmation", seconds: 0.81 },
    { name: "commit", seconds: 0.35 },
  ],
  before: { currentSystem: SYSTEM_A, profile: SYSTEM_A },
  after: { currentSystem: SYSTEM_B, profile: SYSTEM_B },
  units: {
    ...{ began: 1764093160500, ended: 1764093162300, planned: null, omitted: 0 },
    changed: [
      { unit: "caddy.service", change: "reloaded", from: 90, to: 240, state: "active" },
      { unit: "hypervisor.service", change: "restarted", from: 120, to: 1310, state: "active" },
      {
        unit: "container@sandbox-dev.service",
        change: "restarted",
        from: 140,
        to: 1790,
        state: "active",
      },
      { unit: "old-worker.service", change: "stopped", from: 150, to: 420, state: "inactive" },
    ],
  },
};

export function committedReport(): HostReport {
  return {
    ...{
      stack: "prod",
      host: "choiros-prod",
      connection: "choiros-prod",
      error: null,
      sight: null,
      record: RECORD,
    },
    verdict: verdictOf({
      probes: [
        probe("hypervisor-unit", { kind: "unit", answer: "active (running)" }),
        probe("hypervisor", {
          ...{ attempts: 4, seconds: 6.4 },
          changes: [
            { seconds: 0.02, ok: false, answer: "connection refused" },
            { seconds: 1.1, ok: false, answer: "503" },
            { seconds: 3.2, ok: true, answer: "200" },
          ],
        }),
        probe("dev", { required: false, ok: false, attempts: 7, seconds: 6.41, answer: "404" }),
        probe("public"),
      ],
    }),
    contents: compare(
      { closure: BEFORE, ...ACCOUNTS_BEFORE },
      { closure: AFTER, ...ACCOUNTS_AFTER },
      SYSTEM_A,
      SYSTEM_B,
    ),
    history: [
      RECORD,
      {
        ...RECORD,
        id: "activate-2",
        at: 1764003172,
        outcome: "rolled-back",
        release: { rev: OTHER_REV, subject: "hypervisor 1.4.1" },
      },
      {
        ...RECORD,
        id: "activate-1",
        at: 1763903172,
        release: { rev: OTHER_REV, subject: "hypervisor 1.4.0" },
      },
    ],
  };
}

export function failedReport(): HostReport {
  const committed = committedReport();
  const record: LedgerRecord = {
    ...RECORD,
    ...{ outcome: "rolled-back", failedStep: "health", reason: "hypervisor is not healthy: 503." },
    diagnosticsFile: "/var/lib/nixos-promote/jobs/activate-20261125T175240Z-9f2c/diagnostics.txt",
    steps: [
      { name: "preflight", seconds: 0.41 },
      { name: "test", seconds: 1.9 },
      { name: "health", seconds: 16.1 },
      { name: "diagnose", seconds: 0.62 },
      { name: "rollback", seconds: 1.2 },
      { name: "rollback-health", seconds: 0.4 },
    ],
    units: null,
  };
  return {
    ...committed,
    ...{ stack: "grind", host: "choiros-grind", connection: "choiros-grind", record },
    verdict: verdictOf({
      outcome: "rolled-back",
      reason: "hypervisor is not healthy: 503.",
      advice: "Mend the release.",
      probes: [
        probe("hypervisor-unit", { answer: "active (running)" }),
        probe("hypervisor", { ok: false, attempts: 16, seconds: 16.05, answer: "503" }),
      ],
      healthAfterRollback: [
        probe("hypervisor-unit", { answer: "active (running)" }),
        probe("hypervisor"),
      ],
      diagnostics: [
        "hypervisor is not healthy: 503.",
        "",
        "== Probes",
        "hypervisor (http): 503",
        "",
        "== Journal of hypervisor.service since the switch (last 120 lines)",
        ...Array.from(
          { length: 40 },
          (_, index) =>
            `2026-11-25T15:32:${String(index + 10)}+00:00 choiros-grind python3[1031]: health: sign-in is not registered for example.com, not serving`,
        ),
      ].join("\n"),
      switch: {
        ...{ exit: 0, seconds: 1.9 },
        output:
          "stopping the following units: hypervisor.service, old.service\nrestarting the following units: caddy.service\nstarting the following units: hypervisor.service\nthe following new units were started: new.service\n",
      },
    }),
  };
}

export function reportDocument(
  hosts: HostReport[] = [committedReport(), failedReport()],
): ReportDocument {
  const { rev = null, subject = null } = hosts[0]?.record?.release ?? {};
  return { schema: 1, createdAt: 1764093200, project: "choiros", release: { rev, subject }, hosts };
}

/** Text as somebody could put it into a commit, a unit or an answer of a service. */
export const HOSTILE = `</code></style><script>alert("x")</script><img src=//evil.example/a.png onerror='alert(1)'>\u202e "'&lt; \u001b[31m`;

/** The same report, with such text wherever a host or a commit has a say. */
export function hostileReport(): ReportDocument {
  const report = failedReport();
  const json = JSON.stringify(
    reportDocument([{ ...committedReport(), error: HOSTILE }, report]),
    (key, value: unknown) =>
      typeof value === "string" && !TYPED.has(key) && !value.startsWith("/nix/store/")
        ? `${value}${HOSTILE}`
        : value,
  );
  return JSON.parse(json) as ReportDocument;
}

/** What our schemas let be nothing but a word of ours. */
const TYPED = new Set(["outcome", "change", "state", "mode", "kind"]);
