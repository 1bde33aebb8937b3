import { createDecipheriv, pbkdf2 } from "node:crypto";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";

const ITERATIONS = 1_000_000;
const TAG_BYTES = 16;

/** What Pulumi would be given as passphrase; undefined: it asks for it, where there is somebody to ask. */
export function passphraseIn(env: NodeJS.ProcessEnv): string | undefined {
  if (env.PULUMI_CONFIG_PASSPHRASE !== undefined) return env.PULUMI_CONFIG_PASSPHRASE;
  const file = env.PULUMI_CONFIG_PASSPHRASE_FILE;
  if (file === undefined || file === "") return undefined;
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return undefined;
  }
}

/**
 * Does it open the `encryptionsalt` of a stack file: `v1:SALT:v1:NONCE:TEXT`, in which Pulumi has sealed a word of its own?
 * Pulumi itself tells a wrong one only when there is a secret to open, which may be late.
 */
export async function opens(passphrase: string, encryptionSalt: string): Promise<boolean> {
  const [, salt, , nonce, sealed] = encryptionSalt
    .split(":")
    .map((part) => Buffer.from(part, "base64"));
  if (salt === undefined || nonce === undefined || sealed === undefined) return false;
  const key = await promisify(pbkdf2)(passphrase, salt, ITERATIONS, 32, "sha256");
  const cipher = createDecipheriv("aes-256-gcm", key, nonce);
  cipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    cipher.update(sealed.subarray(0, -TAG_BYTES));
    cipher.final();
    return true;
  } catch {
    return false;
  }
}
