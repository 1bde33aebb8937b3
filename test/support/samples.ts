import { createHash } from "node:crypto";
import type { SshConnection } from "../../contract/connection.ts";
import type { HostState, UnitState } from "../../contract/host-state.ts";
import type { Links } from "../../contract/links.ts";
import type { AnyManifest, Manifest } from "../../contract/manifest.ts";
import { preflight } from "../../contract/preflight.ts";
import { releaseId } from "../../contract/release-id.ts";
import type { Evaluation, SystemProfileInputs } from "../../contract/resources.ts";
import type { Verdict } from "../../contract/verdict.ts";

const BASE_32 = "0123456789abcdfghijklmnpqrsvwxyz";

/** A store path of its own for every name. */
export function pathOf(name: string): string {
  const digest = createHash("sha256").update(name).digest();
  const hash = [...digest].map((byte) => BASE_32[byte % 32]).join("");
  return `/nix/store/${hash}-${name}`;
}

export const REV = "9ace77e000000000000000000000000000000000";
export const OTHER_REV = "f1dd4a0000000000000000000000000000000000";
export const GRIND: SshConnection = { kind: "ssh", host: "choiros-grind" };
export const PROD: SshConnection = { kind: "ssh", host: "choiros-prod" };

export const SYSTEM_A = pathOf("nixos-system-choiros-prod-a");
export const SYSTEM_B = pathOf("nixos-system-choiros-prod-b");

export const EVALUATION: Evaluation = {
  rev: REV,
  subject: "hypervisor: say hello",
  committedAt: 1767225600,
  flakeRef: `git+file:///opt/choiros/workspace?rev=${REV}`,
  nixVersion: "2.26.3",
  hosts: {
    "choiros-grind": { ...derivation("nixos-system-choiros-grind-b"), system: "x86_64-linux" },
    "choiros-prod": { ...derivation("nixos-system-choiros-prod-b"), system: "x86_64-linux" },
  },
  components: { "x86_64-linux": { hypervisor: derivation("hypervisor-1.5.0") } },
};

/** What version 1 said of the same release. */
export const MANIFEST_1: AnyManifest & { schema: 1 } = {
  schema: 1,
  rev: EVALUATION.rev,
  subject: EVALUATION.subject,
  committedAt: EVALUATION.committedAt,
  flakeRef: EVALUATION.flakeRef,
  nixVersion: EVALUATION.nixVersion,
  hosts: {
    "choiros-grind": built("nixos-system-choiros-grind-b"),
    "choiros-prod": built("nixos-system-choiros-prod-b"),
  },
  components: { hypervisor: built("hypervisor-1.5.0") },
};

export const MANIFEST: Manifest = withId({
  ...MANIFEST_1,
  schema: 2,
  builtAt: 1767225606,
  hosts: {
    "choiros-grind": { ...built("nixos-system-choiros-grind-b"), system: "x86_64-linux" },
    "choiros-prod": { ...built("nixos-system-choiros-prod-b"), system: "x86_64-linux" },
  },
  components: { "x86_64-linux": { hypervisor: built("hypervisor-1.5.0") } },
});

/** A manifest whose id is that of its content. */
export function withId(content: Omit<Manifest, "id"> & { id?: string }): Manifest {
  return { ...content, id: releaseId(content) };
}

export function systemInputs(more: Partial<SystemProfileInputs> = {}): SystemProfileInputs {
  return {
    connection: PROD,
    host: "choiros-prod",
    toplevel: SYSTEM_B,
    rev: REV,
    subject: EVALUATION.subject,
    mode: "switch",
    probes: [{ name: "hypervisor-unit", kind: "unit", unit: "hypervisor.service" }],
    confirm: true,
    timeouts: { switch: 300, confirm: 60, rollback: 300 },
    preflight: preflight.parse({}),
    ...more,
  };
}

export function hostState(more: Partial<HostState> = {}): HostState {
  return {
    hostname: "choiros-prod",
    machineId: "0123456789abcdef0123456789abcdef",
    system: "x86_64-linux",
    nixVersion: "2.26.3",
    nixosVersion: "26.11",
    currentSystem: SYSTEM_B,
    bootedSystem: SYSTEM_A,
    profile: SYSTEM_B,
    failedUnits: [],
    units: { "hypervisor.service": unitState() },
    paths: {},
    roots: {},
    activation: null,
    ledger: null,
    ...more,
  };
}

/** hypervisor's program at /opt/choiros/bin/hypervisor. */
export const LINKS: Links = {
  directory: "/opt/choiros/bin",
  files: { hypervisor: `${pathOf("hypervisor-1.5.0")}/bin/hypervisor` },
  components: [pathOf("hypervisor-1.5.0")],
  restart: ["hypervisor.service"],
};

export function unitState(more: Partial<UnitState> = {}): UnitState {
  return {
    load: "loaded",
    active: "active",
    sub: "running",
    result: "success",
    fragment: `${pathOf("unit-hypervisor.service")}/hypervisor.service`,
    dropIns: [],
    needReload: false,
    runs: [pathOf("hypervisor-1.5.0")],
    memberOf: true,
    ...more,
  };
}

export function verdictOf(more: Partial<Verdict> = {}): Verdict {
  return {
    id: "activate-1",
    mode: "switch",
    outcome: "committed",
    failedStep: null,
    reason: null,
    advice: null,
    notes: [],
    toplevel: SYSTEM_B,
    before: { currentSystem: SYSTEM_A, profile: SYSTEM_A },
    after: { currentSystem: SYSTEM_B, profile: SYSTEM_B },
    switch: { exit: 0, seconds: 0.6, output: "" },
    shown: null,
    links: null,
    rollback: null,
    probes: [],
    healthAfterRollback: null,
    diagnostics: null,
    diagnosticsFile: null,
    steps: [],
    startedAt: 1767225600,
    finishedAt: 1767225612,
    ...more,
  };
}

function derivation(name: string) {
  return { drvPath: `${pathOf(name)}.drv`, outPath: pathOf(name) };
}

function built(name: string) {
  return { path: pathOf(name), narHash: "sha256-AAAA", narSize: 1000, closureSize: 5000 };
}
