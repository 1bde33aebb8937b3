import { z } from "zod";

/** What `host/describe.sh` reads of a toplevel, without activating anything. */
export const description = z.object({
  valid: z.boolean(),
  nixosVersion: z.string().nullable(),
  closure: z.array(z.tuple([z.string(), z.number()])).describe("[store path, NAR size in bytes]"),
  units: z.record(z.string(), z.string()).describe('Text by file name; links as "-> target"'),
  states: z
    .record(z.string(), z.string())
    .optional()
    .describe("Of the units that systemd has loaded: ActiveState, or unmet"),
  missing: z.array(z.string()).optional().describe("Of the paths that were asked for"),
  free: z.number().optional().describe("Bytes that the store may still grow by"),
  kernel: z.string().nullable(),
  initrd: z.string().nullable(),
  kernelParams: z.string().nullable(),
  initInterface: z.string().nullable(),
  inhibitors: z.string().nullable(),
});

export type Description = z.infer<typeof description>;
