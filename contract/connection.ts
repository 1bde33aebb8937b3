import { z } from "zod";

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

const sshConnection = z.strictObject({
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

const localConnection = z.strictObject({ kind: z.literal("local") });

/** How to reach a host: never part of what the host runs. */
export const connection = z.discriminatedUnion("kind", [sshConnection, localConnection]);

export type Connection = z.infer<typeof connection>;
export type SshConnection = z.infer<typeof sshConnection>;

/** What messages call the host. */
export function describeConnection(to: Connection): string {
  return to.kind === "local" ? "this machine" : `${to.user ? `${to.user}@` : ""}${to.host}`;
}

/** The same text for the same connection: Pulumi's state sorts the settings of an object. */
export function connectionKey(to: Connection): string {
  return JSON.stringify(Object.entries(to).sort(([a], [b]) => (a < b ? -1 : 1)));
}
