import { z } from "zod";
import { checkout } from "./contract/checkout.ts";
import { connectionKey, way } from "./contract/connection.ts";
import { data } from "./contract/data.ts";
import { hooks } from "./contract/hooks.ts";
import { keep } from "./contract/keep.ts";
import { fileBelow, linkDirectory, linkName } from "./contract/links.ts";
import { fullRevision, mutableData, name, system } from "./contract/manifest.ts";
import { preflight } from "./contract/preflight.ts";
import { probes, unitName } from "./contract/probe.ts";
import {
  branch,
  buildInputs,
  getReleaseInputs,
  systemProfileInputs,
  transport,
} from "./contract/resources.ts";
import { smokeTests } from "./contract/smoke.ts";

const seconds = z.number().int().min(1).max(86400);

const hostSettings = z.strictObject({
  name: systemProfileInputs.shape.host.describe(
    "Its name in the release: nixosConfigurations.<name>.",
  ),
  connection: way,
  fallback: way.optional().describe("Another way, for when the connection is closed."),
  machineId: systemProfileInputs.shape.machineId.describe("Refuse any other machine."),
});

const host = hostSettings
  .refine(({ fallback, machineId }) => fallback === undefined || machineId !== undefined, {
    path: ["machineId"],
    message:
      "must be given where there is a [host.fallback], which has to lead to the same machine: the 32 digits of its /etc/machine-id",
  })
  .refine(
    ({ connection, fallback }) =>
      fallback === undefined || connectionKey(fallback) !== connectionKey(connection),
    { path: ["fallback"], message: "must be another way than [host.connection]" },
  );

const onBuilder = z.string().startsWith("/", "must be an absolute path on the builder");
const fromProject = z
  .string()
  .max(1024)
  .regex(/^[^\p{Cc}]+$/u, "must be the path of a file, from the project");

const allowedSigners = fromProject
  .optional()
  .describe("Keys of ssh-keygen, of which one must have signed the manifest.");

const hostOfRelease = z.union([name, z.strictObject({ name, system })], {
  error: "must be a name, or {name, system}",
});
export const releaseHosts = z
  .array(hostOfRelease)
  .min(1, "must name at least one host")
  .max(10_000)
  .refine(
    (hosts) =>
      new Set(hosts.map((host) => (typeof host === "string" ? host : host.name))).size ===
      hosts.length,
    "must name every host once",
  );

export const release = z.discriminatedUnion("from", [
  z.strictObject({
    from: z.literal("build"),
    builder: way,
    repo: getReleaseInputs.shape.repo.describe("Path of the git repository on the builder."),
    rev: getReleaseInputs.shape.rev.describe("Branch, tag or commit; resolved once to a commit."),
    branch: branch.optional().describe("Refuse a revision that is not on it."),
    requireClean: z
      .boolean()
      .default(true)
      .describe("Refuse a working tree with changes that are in no commit."),
    hosts: releaseHosts,
    components: getReleaseInputs.shape.components.default([]),
    system: system.default("x86_64-linux").describe("Of hosts that are given by name alone."),
    changesSchema: z.array(mutableData).min(1).max(100).optional(),
    signingKeyFile: onBuilder.optional(),
    manifestKeyFile: onBuilder.optional(),
    evaluationSeconds: seconds.default(300),
    keep: buildInputs.shape.keep.unwrap().default(3),
    buildSeconds: seconds.default(7200),
  }),
  z.strictObject({
    from: z.literal("stack"),
    stack: z
      .string()
      .regex(
        /^[A-Za-z0-9_.][A-Za-z0-9_.-]*(\/[A-Za-z0-9_.-]+){0,2}$/,
        "must be a stack name such as grind",
      ),
    minHealthySeconds: z.number().int().min(0).max(31_536_000).default(0),
    allowedSigners,
  }),
  z.strictObject({
    from: z.literal("manifest"),
    file: fromProject,
    builder: way.optional().describe("Who has the closures. Default: the host itself."),
    allowedSigners,
  }),
]);

export const pin = z.union(
  [
    z.strictObject({ rev: fullRevision }),
    z.strictObject({ manifest: fromProject, builder: way.optional() }),
  ],
  { error: "must be {rev: COMMIT} or {manifest: FILE}, to which a connection may be the builder" },
);

const [builtHere, direct, relay, cache] = transport.options;
const copySeconds = seconds.default(3600);
export const copy = z.discriminatedUnion("via", [
  builtHere.extend({ timeoutSeconds: copySeconds }),
  direct.omit({ builder: true }).extend({ timeoutSeconds: copySeconds }),
  relay.omit({ builder: true }).extend({ timeoutSeconds: copySeconds }),
  cache.omit({ builder: true }).extend({ timeoutSeconds: copySeconds }),
]);

const links = z.strictObject({
  directory: linkDirectory.describe("Where the links are; it must exist on the host."),
  files: z
    .record(
      linkName,
      z.strictObject({
        component: z.string().min(1).describe("One of the release's components."),
        file: fileBelow.describe("Its file, such as bin/hypervisor."),
      }),
    )
    .refine((files) => Object.keys(files).length > 0, "must name at least one link"),
  restart: z.array(unitName).max(100).default([]).describe("Units that run from the links."),
});

const activationSettings = z.strictObject({
  mode: systemProfileInputs.shape.mode.default("switch"),
  unitFailures: systemProfileInputs.shape.unitFailures
    .unwrap()
    .default("tolerant")
    .describe("tolerant: only the release's units count. strict: all that had not failed before."),
  strategy: z.enum(["closure", "links", "flake"]).default("closure"),
  links: links.optional(),
  checkout: checkout.partial({ name: true }).optional(),
  confirm: z.boolean().default(true).describe("Wait for us to come back over a new connection."),
  timeouts: z
    .strictObject({
      switch: seconds.default(300),
      confirm: seconds.default(60),
      rollback: seconds.default(300),
      build: seconds.optional().describe("Of a checkout. Default: 3600."),
    })
    .prefault({}),
  preflight: preflight.prefault({}),
  keep: keep.prefault({}),
  data: data.optional().describe("Mutable data, backed up before a release that changes it."),
});

export const activation = activationSettings
  .refine(({ strategy, links: given }) => strategy !== "links" || given !== undefined, {
    path: ["links"],
    message: "must be given where [activation.strategy] is links",
  })
  .refine(({ strategy, checkout: given }) => (strategy === "flake") === (given !== undefined), {
    path: ["checkout"],
    message: "must be given where [activation.strategy] is flake, and only there",
  })
  .refine(({ mode, links: given }) => given === undefined || !["boot", "test"].includes(mode), {
    path: ["mode"],
    message: "must not be boot or test where there are links: a reboot does not take them back",
  });

const stackSettings = z.strictObject({
  host,
  release,
  pin: pin.optional().describe("What stands in for the release, until it is removed."),
  copy,
  activation: activation.prefault({}),
  health: probes,
  smoke: smokeTests.optional(),
  hooks: hooks.optional(),
  policyPacks: z
    .array(z.string().min(1))
    .optional()
    .describe("Policies that `promote` holds previews and updates to: paths from the project."),
});

export const pinFits = ({
  release: { from },
  pin: given,
}: {
  readonly release: { readonly from: string };
  readonly pin?: z.infer<typeof pin> | undefined;
}) => given === undefined || "rev" in given === (from === "build");
export const PIN_MISTAKE = {
  path: ["pin"],
  message:
    "must be {rev} on a stack that builds, and {manifest} on one that takes its release: `pulumi config rm pin` removes it",
};

/** The configuration of a stack: `Pulumi.<stack>.yaml`. */
export const settings = stackSettings.refine(pinFits, PIN_MISTAKE);

export type Settings = z.infer<typeof settings>;

/** All mistakes at once, each with its setting. */
export class SettingsError extends Error {}

export function parseSettings(raw: Record<string, unknown>, project = "choiros"): Settings {
  return parseAll(settings, raw, project);
}

/** Checks all of it at once, so that nothing is touched with half of it wrong. */
export function parseAll<T extends z.ZodType>(
  schema: T,
  raw: Record<string, unknown>,
  project: string,
): z.infer<T> {
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  throw new SettingsError(
    `The configuration of this stack has mistakes; nothing was touched.\n${sayIssues(parsed.error, project)}`,
  );
}

function sayIssues(error: z.ZodError, project: string): string {
  return error.issues.flatMap((issue) => mistakesOf(issue, project)).join("\n");
}

function mistakesOf(issue: z.core.$ZodIssue, project: string): string[] {
  if (issue.code === "unrecognized_keys")
    return issue.keys.map(
      (key) =>
        `  [${project}:${nameOf([...issue.path, key])}] There is no setting ${JSON.stringify(key)} here.`,
    );
  return [`  [${project}:${nameOf(issue.path)}] ${plainWords(issue.message)}`];
}

/** Zod tells of its own parts where it has to tell of settings. */
function plainWords(message: string): string {
  const [, choice] =
    /^Invalid (?:discriminator value\. Expected|option: expected one of) (.*)$/.exec(message) ?? [];
  if (choice !== undefined) return `must be one of ${choice.match(/[\w-]+/g)?.join(", ")}`;
  return message
    .replace(/^Invalid input: expected .*, received undefined$/, "must be given")
    .replace(
      /^Invalid input: expected (\w+), received (\w+)$/,
      "must be of the type $1, and is a $2",
    );
}

function nameOf([key = "", ...rest]: readonly PropertyKey[]): string {
  return (
    String(key) +
    rest.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("")
  );
}
