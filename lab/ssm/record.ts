// What an instance's files say of its SSM endpoint.
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Instance } from "../instance.ts";
import { isAlive, type ProcessId } from "../process.ts";
import type { Credentials } from "./signature.ts";

/** Where the lab's instances are. */
export const REGION = "eu-central-1";

export interface SsmRecord {
  /** Of the service, on loopback. */
  readonly port: number;
  readonly agentPort: number;
  readonly process: ProcessId;
}

export function recordFile(instance: Instance): string {
  return instance.path("ssm.json");
}

/** The endpoint that runs, if one does. */
export function running(instance: Instance): SsmRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(recordFile(instance), "utf8")) as SsmRecord;
    return isAlive(record.process) ? record : undefined;
  } catch {
    return undefined;
  }
}

/** Made for the instance, like all its keys. */
export function credentials(instance: Instance): Credentials {
  const file = instance.path("keys", "aws.json");
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Credentials;
  } catch {
    const made = {
      accessKeyId: `AKIALAB${randomBytes(8).toString("hex").slice(0, 13).toUpperCase()}`,
      secretAccessKey: randomBytes(30).toString("base64"),
    };
    mkdirSync(instance.path("keys"), { recursive: true, mode: 0o700 });
    writeFileSync(file, `${JSON.stringify(made)}\n`, { mode: 0o600 });
    return made;
  }
}

/** For unmodified AWS SDKs and the AWS CLI; nothing if the lab has no endpoint. */
export function ssmEnvironment(instance: Instance): Record<string, string> {
  const record = running(instance);
  if (record === undefined) return {};
  const { accessKeyId, secretAccessKey } = credentials(instance);
  return {
    AWS_ENDPOINT_URL_SSM: `http://127.0.0.1:${record.port}`,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_REGION: REGION,
    AWS_DEFAULT_REGION: REGION,
    AWS_EC2_METADATA_DISABLED: "true",
  };
}
