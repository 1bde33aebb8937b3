import type { FleetPlanDocument } from "../../contract/fleet-plan.ts";
import { type PlanDocument, planId } from "../../contract/plan.ts";
import { OTHER_REV, REV, SYSTEM_A, SYSTEM_B } from "./samples.ts";

/** A plan with its id. */
export function planDocument(more: Partial<Omit<PlanDocument, "id">> = {}): PlanDocument {
  const document: Omit<PlanDocument, "id"> = {
    ...{ schema: 1, createdAt: 1767225600, project: "choiros", stack: "prod", mode: "switch" },
    release: { rev: REV, subject: "hypervisor: say hello", id: "a".repeat(64) },
    host: {
      ...{
        name: "choiros-prod",
        machineId: "0123456789abcdef0123456789abcdef",
        system: "x86_64-linux",
      },
      ...{ nixVersion: "2.26.3", nixosVersion: "26.11", generation: 41 },
      ...{ currentSystem: SYSTEM_A, bootedSystem: SYSTEM_A, profile: SYSTEM_A },
      ...{ links: {}, rev: OTHER_REV, failedUnits: [] },
    },
    change: {
      ...{ from: SYSTEM_A, to: SYSTEM_B, built: true },
      packages: [{ name: "hypervisor", from: ["1.4.0"], to: ["1.5.0"], bytes: 2048 }],
      copy: { paths: 8, bytes: 28_000, way: "straight from the builder" },
      units: { stop: [], restart: ["hypervisor.service"], reload: [], start: [], keep: [] },
      users: { added: ["alice"], removed: [], changed: [{ name: "root", what: ["password"] }] },
      groups: { added: [], removed: [], changed: [{ name: "wheel", what: ["+alice"] }] },
      etc: { added: [], removed: ["issue"], changed: ["ssh/ssh_config"] },
      ...{ reboot: [], probes: ["hypervisor"], drift: [], pending: [], effect: null },
      ...{ links: [], restart: [], running: null },
    },
    resources: { same: 4, update: 2 },
    text: "choiros-prod: f1dd4a000000 -> 9ace77e00000 hypervisor: say hello\n  restart   hypervisor.service",
    ...more,
  };
  return { ...document, id: planId(document) };
}

/** Six hosts in two waves: four that are alike, one that has nothing to do, one that does not answer. */
export function fleetPlanDocument(
  more: Partial<Omit<FleetPlanDocument, "id">> = {},
): FleetPlanDocument {
  const { mode, release, schema, createdAt, project, resources, change, host } = planDocument();
  const names = ["web-1", "web-2", "web-3", "db-1"];
  const own = { to: change.to, copy: { paths: 8, bytes: 28_000 } };
  const text = (hosts: string) => `${hosts}: f1dd4a000000 -> 9ace77e00000 say hello\n  restart   x`;
  const quiet = { settled: [], unseen: [], held: [] };
  const document: Omit<FleetPlanDocument, "id"> = {
    ...{ mode, release, schema, createdAt, project, resources, stack: "fleet" },
    waves: [
      {
        ...{ name: "canary", soakSeconds: 60, ...quiet },
        groups: [{ hosts: ["web-1"], change, text: text("web-1") }],
      },
      {
        ...{ name: "rest", soakSeconds: 0, settled: ["web-4"], held: ["web-6"] },
        groups: [{ hosts: names.slice(1), change, text: text("3 hosts (web-2, web-3, db-1)") }],
        unseen: [{ host: "web-5", message: "nothing answers there." }],
      },
    ],
    hosts: Object.fromEntries([...names, "web-4"].map((name) => [name, { ...host, ...own, name }])),
    ...more,
  };
  return { ...document, id: planId(document) };
}
