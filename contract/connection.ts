import { z } from "zod";
import { canonicalJson } from "./canonical-json.ts";
import { SIMULATION, simulationDirectory } from "./simulation.ts";

/** A word that ssh cannot take for an option, and that no line-based protocol can split. */
const word = (what: string) =>
  z
    .string()
    .min(1, `${what} must not be empty`)
    .max(255, `${what} is longer than 255 characters`)
    .regex(
      /^[^-\s\p{Cc}][^\s\p{Cc}]*$/u,
      `${what} must be one word that does not begin with a dash`,
    );

/** ssh and Nix's ssh:// stores both split or quote anything beyond these characters in their own ways. */
const hostWord = word("host").regex(
  /^[A-Za-z0-9_.:\-[\]%]+$/,
  "host must be a name, an address or an alias of your ssh configuration",
);

export const sshConnection = z.strictObject({
  kind: z.literal("ssh"),
  host: hostWord.describe("Alias of the ssh configuration, host name or address."),
  user: word("user")
    .regex(/^[A-Za-z0-9_.-]+$/, "user must be a Unix user name")
    .optional()
    .describe("Default: what the ssh configuration says."),
  port: z.number().int().min(1).max(65535).optional(),
  identityFile: z
    .string()
    .regex(/^[~/][^\p{Cc}]*$/u, "identityFile must be an absolute path")
    .optional()
    .describe("Path of a private key; the key itself never enters the stack."),
  hostKey: z
    .string()
    .regex(
      /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/=]+$/,
      'hostKey must be a public key such as "ssh-ed25519 AAAA…"',
    )
    .optional()
    .describe("The host's public key. Default: the known_hosts files of the ssh configuration."),
  acceptNewHostKey: z
    .boolean()
    .optional()
    .describe("Trust the key that is seen at the first contact. Default: false."),
  connectTimeoutSeconds: z.number().int().min(1).max(300).optional().describe("Default: 10."),
});

const awsSsmConnection = z
  .strictObject({
    kind: z.literal("awsSsm"),
    instanceId: z
      .string()
      .regex(
        /^(i-[0-9a-f]{8}([0-9a-f]{9})?|mi-[0-9a-f]{17})$/,
        "instanceId must be like i-0123456789abcdef0, or mi-0123456789abcdef0 for a machine outside of EC2",
      )
      .optional(),
    tag: z
      .record(
        z.string().regex(/^[\p{L}\p{N} _.:/=+\-@]{1,128}$/u, "a tag's key must be a key of AWS"),
        z
          .string()
          .regex(/^[\p{L}\p{N} _.:/=+\-@]{1,256}$/u, "a tag's value must be a value of AWS"),
      )
      .refine((tag) => Object.keys(tag).length > 0, "tag must hold at least one tag")
      .optional()
      .describe("The one instance that is online and has all of these tags."),
    region: z
      .string()
      .regex(/^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$/, "region must be like eu-west-1")
      .optional()
      .describe("Default: what the AWS configuration of the operator says."),
    profile: z
      .string()
      .regex(/^[^\s\p{Cc}[\]]{1,128}$/u, "profile must be the name of a profile of ~/.aws/config")
      .optional(),
    document: z
      .string()
      .regex(
        /^[A-Za-z0-9_.:/][A-Za-z0-9_.:/-]{2,199}$/,
        "document must be the name of an SSM document",
      )
      .optional()
      .describe("Default: AWS-RunShellScript."),
    deliveryTimeoutSeconds: z.number().int().min(30).max(3600).optional().describe("Default: 60."),
  })
  .refine(
    ({ instanceId, tag }) => (instanceId === undefined) !== (tag === undefined),
    "must name the instance either by instanceId or by tag",
  );

export const machineId = z
  .string()
  .regex(/^[0-9a-f]{32}$/, "must be the 32 digits of /etc/machine-id");

const localConnection = z.strictObject({ kind: z.literal("local") });

const simulatedConnection = z
  .strictObject({ kind: z.literal("simulated"), name: hostWord })
  .refine(
    () => simulationDirectory() !== undefined,
    `must not be simulated: no such host exists. Only benchmarks have them, and set ${SIMULATION}`,
  );

/** One way to a host: never part of what the host runs. */
export const way = z.discriminatedUnion("kind", [
  sshConnection,
  awsSsmConnection,
  localConnection,
  simulatedConnection,
]);
export type Way = z.infer<typeof way>;

/** Two ways to one machine: the second is for when the first is closed. */
const twoWays = z.strictObject({
  kind: z.literal("either"),
  primary: way,
  fallback: way,
  machineId,
});
export type TwoWays = z.infer<typeof twoWays>;

/** How to reach a host. */
export const connection = z.discriminatedUnion("kind", [...way.options, twoWays]);
export type Connection = z.infer<typeof connection>;
export type SshConnection = z.infer<typeof sshConnection>;
export type AwsSsmConnection = z.infer<typeof awsSsmConnection>;
export type SimulatedConnection = z.infer<typeof simulatedConnection>;

/** What messages call the host. */
export function describeConnection(to: Connection): string {
  switch (to.kind) {
    case "local":
      return "this machine";
    case "simulated":
      return `${to.name} (simulated)`;
    case "ssh":
      return `${to.user ? `${to.user}@` : ""}${to.host}`;
    case "either":
      return describeConnection(to.primary);
    case "awsSsm":
      return `${to.instanceId ?? describeTag(to.tag)}${to.region ? ` in ${to.region}` : ""}`;
  }
}

function describeTag(tag: AwsSsmConnection["tag"] = {}): string {
  const pairs = Object.entries(tag).map(([key, value]) => `${key}=${value}`);
  return `the instance with ${pairs.sort().join(", ")}`;
}

/** The same text for the same connection: Pulumi's state sorts the settings of an object. */
export function connectionKey(to: Connection): string {
  return canonicalJson(to);
}
