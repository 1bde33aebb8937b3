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

const namespace = z
  .strictObject({
    unit: unitName.optional().describe("The network namespace of its main process."),
    path: noNul
      .regex(/^\/[^\p{Cc}]*$/u, "must be an absolute path such as /run/netns/blue")
      .optional(),
  })
  .refine(
    ({ unit, path }) => (unit === undefined) !== (path === undefined),
    "must name either a unit or a path",
  );

/** For probes of the network: seen from another network namespace, without a container tool. */
const network = { namespace: namespace.optional() };

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
  onlyIfActive: unitName
    .optional()
    .describe("Skip the probe, and say so, while this unit is inactive. Default: never skipped."),
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
    ...network,
    url: noNul.regex(/^https?:\/\/[^\s]+$/, "must be an http or https URL"),
    status: z
      .array(z.number().int().min(100).max(599))
      .min(1)
      .optional()
      .describe("Default: [200]."),
    followRedirects: z
      .boolean()
      .optional()
      .describe("Judge the page that at most 5 redirects lead to. Default: false."),
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
    ...network,
    port: z.number().int().min(1).max(65535),
    address: z
      .union([z.ipv4(), z.ipv6()], "must be an IP address")
      .optional()
      .describe("Must take connections to this address. Default: any."),
  }),
  z.strictObject({
    kind: z.literal("command"),
    ...common,
    argv: z.array(noNul.min(1)).min(1).max(64),
    timeoutSeconds: seconds("Limit of one try. Default: 10.").optional(),
  }),
]);

export type Probe = z.infer<typeof probe>;

/** The health contract of a host. */
export const probes = z
  .array(probe)
  .min(1, "must hold at least one probe")
  .refine(
    (all) => new Set(all.map(({ name }) => name)).size === all.length,
    "must give every probe a name of its own",
  );

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
  http: { status: [200], followRedirects: false, timeoutSeconds: 5 },
  unit: { state: "active", identity: true },
  socket: {},
  command: { timeoutSeconds: 10 },
};
