import { z } from "zod";

const mebibytes = z.number().int().min(0).max(1_000_000);

/** What a host must offer before it is touched. */
export const preflight = z.strictObject({
  diskMarginMiB: mebibytes
    .default(64)
    .describe("Free on every disk that an activation writes to, beyond what is copied there."),
  memoryMarginMiB: mebibytes.default(64).describe("Memory that must be available."),
  credentials: z
    .enum(["present", "persistent", "warn", "ignore"])
    .default("present")
    .describe(
      "Files that units take secrets from: must be there; must also survive a reboot; are only told; are not looked at.",
    ),
  kernelChange: z
    .enum(["allow", "refuse"])
    .default("allow")
    .describe("A live switch to a system with another kernel, initrd or kernel modules."),
  stateVersion: z
    .enum(["refuse", "allow"])
    .default("refuse")
    .describe("A lower system.stateVersion than that of the running system."),
});

export type Preflight = z.infer<typeof preflight>;
