import { z } from "zod";

/** How long something takes: a lognormal distribution, as of networks and disks. */
const duration = z.strictObject({
  medianMs: z.number().min(0),
  p99Ms: z.number().min(0),
});
export type Duration = z.infer<typeof duration>;

const share = z.number().min(0).max(1);

/** A fleet of hosts that do not exist, to measure with: `simulation.json` in the directory of SIMULATION. */
export const simulation = z.strictObject({
  seed: z.number().int(),
  connect: duration.describe("A new connection"),
  answer: duration.describe("A call over it, with what the host does for it"),
  activate: duration.describe("From the start of a transaction until it asks for confirmation"),
  unreachable: share.describe("Of all hosts; always the same ones"),
  failing: share.describe("Of all hosts: those that go back from every release"),
  closurePaths: z.number().int().min(1),
  changedPaths: z.number().int().min(1).describe("Of those, what a release brings anew"),
  pathBytes: z.number().int().min(1),
  units: z.number().int().min(1),
  copyMiBps: z.number().positive().describe("From the builder to one host"),
});
export type Simulation = z.infer<typeof simulation>;

/** Names the directory of a simulation. Without it, simulated hosts are refused: none is ever taken for a real one. */
export const SIMULATION = "NIXOS_PROMOTE_SIMULATION";

export function simulationDirectory(): string | undefined {
  return globalThis.process?.env[SIMULATION] || undefined;
}

/** The system of a release for a simulated host. */
export function simulatedToplevel(host: string, release: number): string {
  return `/nix/store/${simulatedHash(`${host} ${release}`)}-nixos-system-${host}-r${release}`;
}

/** As of a store path; not a good hash, but always the same. */
export function simulatedHash(text: string): string {
  let [a, b] = [0x811c9dc5, 0x1b873593];
  for (let i = 0; i < text.length; i++) {
    a = Math.imul(a ^ text.charCodeAt(i), 0x01000193);
    b = Math.imul(b + text.charCodeAt(i), 0x85ebca6b) ^ (b >>> 13);
  }
  let hash = "";
  for (let i = 0; i < 32; i++) {
    a = Math.imul(a ^ (a >>> 15), 0x2c1b3c6d) + b;
    b = Math.imul(b ^ (b >>> 12), 0x297a2d39) + i;
    hash += LETTERS[(a >>> 7) & 31];
  }
  return hash;
}

const LETTERS = "0123456789abcdfghijklmnpqrsvwxyz";
