import { z } from "zod";
import { smokeTest } from "./smoke.ts";

const word = z
  .string()
  .min(1)
  .max(4096)
  .regex(/^\P{Cc}*$/u, "must be one line");
const name = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9-]{0,39}$/,
    "must be a short name such as backup: small letters, digits, dashes",
  );

/**
 * Where a hook runs. The plugin that reaches it is no OpenSSH: it reads no ssh configuration, takes keys
 * from the agent, and trusts any machine whose host key it is not told.
 */
export const hookTarget = z.strictObject({
  host: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9.:-]{0,254}$/, "must be a host name or an address; no alias"),
  user: z
    .string()
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$/, "must be a Unix user name")
    .default("root"),
  port: z.number().int().min(1).max(65535).default(22),
  hostKey: z
    .string({ error: "must be given: without it, anybody's machine would be trusted" })
    .regex(
      /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/=]+$/,
      'must be a public key such as "ssh-ed25519 AAAA…", as `ssh-keyscan` prints it',
    ),
});
export type Remote = z.infer<typeof hookTarget>;

const common = {
  name,
  on: hookTarget.optional().describe("Where it runs. Default: this machine."),
};
const [http] = smokeTest.options;

export const hook = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("command"),
    ...common,
    argv: z.array(word).min(1).max(64),
    directory: word
      .regex(/^\//, "must be an absolute path")
      .optional()
      .describe("Default: where pulumi was started; on another machine, the user's home."),
    timeoutSeconds: z.number().int().min(1).max(86400).default(600),
    output: z
      .enum(["shown", "discarded"])
      .default("shown")
      .describe("discarded: for what could print a secret; it is in no message either."),
  }),
  z.strictObject({
    kind: z.literal("http"),
    ...common,
    url: http.shape.url,
    status: z.number().int().min(100).max(599).default(200),
    deadlineSeconds: z.number().int().min(1).max(3600).default(30),
  }),
]);
export type Hook = z.infer<typeof hook>;

const hookList = z
  .array(hook)
  .max(20)
  .default([])
  .refine(
    (hooks) => new Set(hooks.map((one) => one.name)).size === hooks.length,
    "must give every hook a name of its own",
  );

/** What runs around an activation, by `@pulumi/command`. */
export const hooks = z.strictObject({
  before: hookList.describe(
    "One after the other, when the closure is there and before the switch.",
  ),
  after: hookList.describe("One after the other, when the release is committed."),
});
export type HookSettings = z.infer<typeof hooks>;
