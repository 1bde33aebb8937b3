import { type Backup, backups, type Restored, restored } from "../contract/backup.ts";
import { describeConnection } from "../contract/connection.ts";
import { describeTime } from "../contract/job-record.ts";
import { connectionOf } from "../contract/ways-to-host.ts";
import { call } from "../providers/executors/executor.ts";
import { executorFor } from "../providers/executors/index.ts";
import type { Reporter } from "../providers/nixos/engine.ts";
import { interruption } from "../providers/nixos/interruption.ts";
import { runJob } from "../providers/nixos/job.ts";
import { EXIT, Stop, UsageError } from "./exit-code.ts";
import { readLedger } from "./ledger.ts";
import type { SettledStack } from "./project.ts";
import { within } from "./within.ts";

const ASK_SECONDS = 30;
/** Of one unit, to stop it and to start it again: the host's own limits. */
const UNIT_SECONDS = 250;

/** A backup of mutable data on a host, with what the ledger says of it. */
export interface KnownBackup extends Backup {
  /** The release before which it was made. Null: the ledger does not reach so far back. */
  readonly before: { readonly rev: string; readonly subject: string } | null;
  /** What that release was to change, by its manifest. */
  readonly changes: readonly string[];
}

/** The backups that a stack's host has, the newest first. */
export async function readBackups(stack: SettledStack): Promise<KnownBackup[]> {
  const connection = connectionOf(stack.settings.host);
  const answer = call(executorFor(connection), "backups", {}, backups, {
    timeoutSeconds: ASK_SECONDS,
    endsWithUs: true,
  });
  const { backups: found } = await within(ASK_SECONDS, describeConnection(connection), answer);
  if (found.length === 0) return [];
  const { records } = await readLedger(stack);
  return found.map((backup) => {
    const record = records.find(({ id }) => id === backup.name);
    const { rev, subject } = record?.release ?? {};
    const changes = record?.backup?.changes ?? [];
    return { ...backup, before: rev ? { rev, subject: subject ?? "" } : null, changes };
  });
}

export function chooseBackup(found: readonly KnownBackup[], name: string): KnownBackup {
  const chosen = found.find((backup) => backup.name === name);
  if (chosen !== undefined) return chosen;
  const known = found.map((backup) => backup.name).join(", ");
  throw new UsageError(
    `The host has no backup ${name}. ${known === "" ? "It has none at all." : `It has: ${known}.`} See: promote data list`,
  );
}

/** The directories of a backup that are meant; all, if none is named. */
export function chosenDirectories(
  { name, directories }: Backup,
  wanted: readonly string[],
): Backup["directories"] {
  const missing = wanted.find((path) => !directories.some(({ directory }) => directory === path));
  if (missing !== undefined)
    throw new UsageError(
      `The backup ${name} does not hold ${missing}. It holds: ${directories.map(({ directory }) => directory).join(", ")}.`,
    );
  const chosen =
    wanted.length === 0
      ? directories
      : directories.filter(({ directory }) => wanted.includes(directory));
  const gone = chosen.find(({ there }) => !there);
  if (gone === undefined) return chosen;
  throw new Stop(
    EXIT.failed,
    `${gone.path}, the backup of ${gone.directory}, is gone from the host. Nothing was changed. Take another one: promote data list`,
  );
}

interface Restore {
  readonly stack: SettledStack;
  readonly backup: Backup;
  readonly directories: readonly string[];
  /** Stopped before the data are put in their place, and started after. */
  readonly units: readonly string[];
  /** Only find out whether it could be done. */
  readonly check: boolean;
}

/** As a job of the host, in the unit of activations: no transaction runs at the same time. */
export function restoreBackup(
  { stack, backup, directories, units, check }: Restore,
  report: Reporter,
): Promise<Restored> {
  const { host, activation } = stack.settings;
  const timeoutSeconds = activation.data?.timeoutSeconds ?? 600;
  const made = describeTime(backup.at);
  return runJob(executorFor(connectionOf(host)), {
    command: "restore-data",
    unit: "nixos-promote-activate",
    argument: {
      backup: backup.name,
      directories: [...directories],
      units: [...units],
      timeoutSeconds,
      check,
    },
    what: `${check ? "a check" : "a restore"} of the data of ${made}`,
    timeoutSeconds: timeoutSeconds + units.length * UNIT_SECONDS + 60,
    result: restored,
    whenStopped: "it leaves the data as they are, unless they are being put in their place already",
    whenAlone: check
      ? "it changes nothing"
      : "it puts the data in their place, and starts what it has stopped",
    say: (sentence) => report.warn(sentence),
    onStatus: ({ message }) => report.progress(message ?? ""),
  }).catch((error) => {
    if (interruption.happened && error instanceof Error)
      throw new Stop(EXIT.interrupted, error.message);
    throw error;
  });
}
