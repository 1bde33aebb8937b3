// A lab instance by name: where its files are, what its interfaces are called, what it consists of.
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { isAlive, LabError, type ProcessId } from "./process.ts";

export const STATE_ROOT = "/var/lib/nixos-promote-lab";

/** What `up` writes down, so that any later process can find and remove all of it. */
export interface InstanceRecord {
  /** First three numbers of its /24. */
  readonly subnet: string;
  readonly hosts: readonly HostRecord[];
  /** The process that owns the instance; null if it is to stay until `down`. */
  readonly owner: ProcessId | null;
  /** Cached layers under every host, the Debian base last. Hosts that have a system of their own add it. */
  readonly base: string;
  readonly system: string | null;
}

export interface HostRecord {
  readonly name: string;
  readonly address: string;
  readonly machineId: string;
}

const NAME = /^[a-z][a-z0-9-]{0,19}$/;

export class Instance {
  readonly name: string;
  readonly dir: string;

  constructor(name: string) {
    if (!NAME.test(name)) {
      throw new LabError(
        `"${name}" cannot be the name of a lab instance.`,
        "Use a lower-case letter, then letters, digits and dashes, 20 at most.",
      );
    }
    this.name = name;
    this.dir = join(STATE_ROOT, name);
  }

  static all(): Instance[] {
    if (!existsSync(STATE_ROOT)) return [];
    return readdirSync(STATE_ROOT, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && NAME.test(entry.name))
      .map((entry) => new Instance(entry.name));
  }

  /** Every interface of the instance starts with this; interface names are 15 characters at most. */
  get prefix(): string {
    return `npl${createHash("sha256").update(this.name).digest("hex").slice(0, 6)}`;
  }

  get bridge(): string {
    return this.prefix;
  }

  netns(host: string): string {
    return `${this.prefix}-${host}`;
  }

  get lockFile(): string {
    return `/run/lock/nixos-promote-lab-${this.name}.lock`;
  }

  path(...parts: readonly string[]): string {
    return join(this.dir, ...parts);
  }

  read(): InstanceRecord | undefined {
    try {
      return JSON.parse(readFileSync(this.path("instance.json"), "utf8")) as InstanceRecord;
    } catch {
      return undefined;
    }
  }

  write(record: InstanceRecord): void {
    mkdirSync(this.dir, { recursive: true, mode: 0o700 });
    const file = this.path("instance.json");
    writeFileSync(`${file}.new`, `${JSON.stringify(record, null, 2)}\n`);
    renameSync(`${file}.new`, file);
  }
}

/** An owner that is not alive any more left its instance behind. */
export function isAbandoned(record: InstanceRecord): boolean {
  return record.owner !== null && !isAlive(record.owner);
}

/** `grind` and `choiros-grind` both mean choiros-grind. */
export function hostName(text: string): string {
  const name = text.startsWith("choiros-") ? text : `choiros-${text}`;
  if (/^choiros-[a-z0-9][a-z0-9-]{0,30}$/.test(name)) return name;
  throw new LabError(
    `"${text}" cannot be the name of a lab host.`,
    "For example: grind, prod, edge-1.",
  );
}

export function shortName(host: string): string {
  return host.replace(/^choiros-/, "");
}
