import { createHash } from "node:crypto";
import { z } from "zod";
import { canonicalJson, type Json } from "./canonical-json.ts";
import { mode } from "./goal.ts";

const sentences = z.array(z.string());
const count = z.number().int().min(0);
const path = z.string().nullable();

/** A host as it was when the plan was made: what a review of the plan takes for granted. */
export const plannedHost = z.object({
  name: z.string(),
  machineId: z.string(),
  system: z.string(),
  nixVersion: z.string(),
  nixosVersion: z.string().nullable(),
  currentSystem: path.describe("What it runs"),
  bootedSystem: path,
  profile: path.describe("What it would boot"),
  generation: z.number().int().nullable().describe("Of the system profile"),
  links: z.record(z.string(), z.string().nullable()).describe("Where each leads"),
  rev: z.string().nullable().describe("Of the release that was committed there last"),
  failedUnits: z.array(z.string()),
});
export type PlannedHost = z.infer<typeof plannedHost>;

/** One package by name: its versions before and after, and by how many NAR bytes it grows. */
const packageChange = z.object({
  name: z.string(),
  from: z.array(z.string()),
  to: z.array(z.string()),
  bytes: z.number(),
});

const source = z.object({
  from: z.string().nullable().describe("Null: from none that we know of"),
  paths: count,
  bytes: count,
  filled: z.boolean().describe("The builder pushes them there first"),
});

/** What a switch does to units, each named once. `keep`: changed, and left running as they are. */
export const unitActions = ["stop", "restart", "reload", "start", "keep"] as const;
const units = z.object({
  stop: z.array(z.string()),
  restart: z.array(z.string()),
  reload: z.array(z.string()),
  start: z.array(z.string()),
  keep: z.array(z.string()),
});

const names = z.array(z.string());

/** By name alone. `what` says what of an account differs, never how; `+NAME` and `-NAME` are members of a group. */
const accountChanges = z.object({
  added: names,
  removed: names,
  changed: z.array(z.object({ name: z.string(), what: names })),
});
export type AccountChanges = z.infer<typeof accountChanges>;

/** Files below /etc, without the units. */
const etcChanges = z.object({ added: names, removed: names, changed: names });
export type EtcChanges = z.infer<typeof etcChanges>;

/** What putting the release there will do. Whatever a later version has more is kept and compared, too. */
export const change = z.looseObject({
  from: path,
  to: path,
  built: z.boolean().describe("False: it is not built yet, so only paths and drift are known"),
  packages: z.array(packageChange),
  copy: z.object({
    paths: count,
    bytes: count,
    way: z.string().optional(),
    sources: z.array(source).optional(),
    problems: sentences.optional(),
  }),
  units,
  users: accountChanges.nullish().describe("Null: not known"),
  groups: accountChanges.nullish().describe("Null: not known"),
  etc: etcChanges.nullish().describe("Null: not known"),
  reboot: sentences,
  probes: z.array(z.string()),
  smoke: z.array(z.string()).optional(),
  drift: sentences,
  pending: sentences,
  effect: z.string().nullable(),
  links: z.array(z.object({ name: z.string(), from: path, to: z.string() })),
  restart: z.array(z.string()).describe("Units that run from the links"),
  running: z.string().nullable().describe("A transaction that runs there now"),
});

/** Who says what of a plan: the program, and the command that keeps it. */
export const planned = {
  program: {
    mode,
    release: z.object({
      rev: z.string(),
      subject: z.string(),
      id: z.string().nullable().describe("Of its manifest; null while it is not built"),
    }),
  },
  command: {
    schema: z.literal(1),
    id: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .describe("SHA-256 of the canonical JSON without id and createdAt"),
    createdAt: z.number().int().describe("Unix seconds"),
    project: z.string(),
    stack: z.string(),
    resources: z.record(z.string(), count).describe("Of the stack, by what Pulumi will do to them"),
  },
};

/** What the program says of a plan. The rest of the document is the command's matter. */
export const plannedByProgram = z.object({
  ...planned.program,
  host: plannedHost,
  change,
  text: z.string().describe("As a preview shows it"),
});
export type PlannedByProgram = z.infer<typeof plannedByProgram>;

/** The plan of a stack, to be read, kept, reviewed and then applied: `promote plan` makes it. */
export const plan = plannedByProgram.extend(planned.command);
export type PlanDocument = z.infer<typeof plan>;

/** The environment variable by which the program is told where to write what it plans. */
export const PLAN_FILE = "NIXOS_PROMOTE_PLAN_FILE";
/** And where the plan is that alone may be applied. */
export const REVIEWED_PLAN = "NIXOS_PROMOTE_REVIEWED_PLAN";

export function planId(document: object): string {
  const content = { ...document, id: undefined, createdAt: undefined };
  return createHash("sha256")
    .update(canonicalJson(content as unknown as Json))
    .digest("hex");
}
