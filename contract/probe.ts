import { z } from "zod";

const seconds = (describe: string) => z.number().min(0).max(86400).describe(describe);
const noNul = z
  .string()
  .max(4096)
  .refine((text) => !text.includes("\0"), "must not hold a NUL character");

export const unitName = z
  .string()
  .max(255)
  .regex(
    /^[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]*\.(service|socket|target|timer|mount|path|slice|scope|automount|swap)$/,
    "must be a unit name such as hypervisor.service",
  );

const common = {
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/, "must be a short name such as sandbox-live"),
  required: z.boolean().optional().describe("Default: true. An optional probe only warns."),
  place: z
    .array(noNul.min(1))
    .max(32)
    .optional()
    .describe(
      "Command prefix that runs the probe elsewhere, such as a container. Default: the host.",
    ),
  graceSeconds: seconds("Wait before the first try. Default: 0.").optional(),
  intervalSeconds: seconds("Wait between tries. Default: 1.").optional(),
  deadlineSeconds: seconds("Fail when not passed by then. Default: 120.").optional(),
  soakSeconds: seconds("Must go on passing for so long. Default: 0.").optional(),
};

/** One check of the health contract, run on the host. */
export const probe = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("http"),
    ...common,
    url: noNul.regex(/^https?:\/\/[^\s]+$/, "must be an http or https URL"),
    status: z
      .array(z.number().int().min(100).max(599))
      .min(1)
      .optional()
      .describe("Default: [200]. Redirects are never followed."),
    body: noNul.min(1).optional().describe("Extended regular expression that the body must match."),
    timeoutSeconds: seconds("Limit of one try. Default: 5.").optional(),
  }),
  z.strictObject({
    kind: z.literal("unit"),
    ...common,
    unit: unitName,
    state: z.enum(["active", "inactive"]).optional().describe("Default: active."),
    identity: z
      .boolean()
      .optional()
      .describe("The running process must come from the release. Default: true."),
  }),
  z.strictObject({
    kind: z.literal("socket"),
    ...common,
    port: z.number().int().min(1).max(65535),
  }),
  z.strictObject({
    kind: z.literal("command"),
    ...common,
    argv: z.array(noNul.min(1)).min(1).max(64),
    timeoutSeconds: seconds("Limit of one try. Default: 10.").optional(),
  }),
]);

export type Probe = z.infer<typeof probe>;

/** A probe with every default filled in, as the host gets it. */
export function completeProbe(given: Probe): Record<string, unknown> {
  return { ...DEFAULTS.common, ...DEFAULTS[given.kind], ...given };
}

const DEFAULTS = {
  common: {
    required: true,
    place: [],
    graceSeconds: 0,
    intervalSeconds: 1,
    deadlineSeconds: 120,
    soakSeconds: 0,
  },
  http: { status: [200], timeoutSeconds: 5 },
  unit: { state: "active", identity: true },
  socket: {},
  command: { timeoutSeconds: 10 },
};
