import { z } from "zod";

/** What is public of an account. `hidden` is a digest of the rest, such as a password: good for nothing but to compare it. */
const account = z.record(z.string(), z.unknown());
export type Account = z.infer<typeof account>;

const accounts = z.object({
  by: z.string().describe("What makes them: users-groups, userborn or sysusers"),
  users: z.record(z.string(), account).optional(),
  groups: z.record(z.string(), account).optional(),
});
export type Accounts = z.infer<typeof accounts>;

/** What `host/describe.sh` reads of a toplevel, without activating anything. */
export const description = z.object({
  valid: z.boolean(),
  nixosVersion: z.string().nullable(),
  closure: z.array(z.tuple([z.string(), z.number()])).describe("[store path, NAR size in bytes]"),
  units: z.record(z.string(), z.string()).describe('Text by file name; links as "-> target"'),
  unitsAfter: z
    .record(z.string(), z.string())
    .optional()
    .describe("Of the other system that was asked for"),
  states: z
    .record(z.string(), z.string())
    .optional()
    .describe("Of the units that systemd has loaded: ActiveState, or unmet"),
  etc: z
    .record(z.string(), z.string())
    .optional()
    .describe("Where each file below /etc comes from, shortened"),
  etcAfter: z.record(z.string(), z.string()).optional().describe("Of that other system"),
  accounts: accounts.nullable().optional().describe("Null: it does not say in a way that is known"),
  unmet: z
    .array(z.string())
    .optional()
    .describe("Of the conditions that were asked for, those that are not met now"),
  missing: z.array(z.string()).optional().describe("Of the paths that were asked for"),
  free: z.number().optional().describe("Bytes that the store may still grow by"),
  kernel: z.string().nullable(),
  initrd: z.string().nullable(),
  kernelParams: z.string().nullable(),
  initInterface: z.string().nullable(),
  inhibitors: z.string().nullable(),
});

export type Description = z.infer<typeof description>;
