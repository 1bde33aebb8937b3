import type { History, LedgerRecord } from "../../contract/ledger.ts";
import { EXIT, Stop, UsageError } from "../exit-code.ts";
import { pastOf } from "../ledger.ts";

/** The transaction that is meant: the last one, one by its id, by its number, or the last of a commit. */
export function chooseRecord(history: History, wanted: string | undefined): LedgerRecord {
  const { records } = history;
  const told = records.filter(({ outcome }) => outcome !== "restored");
  const [last] = told;
  if (last === undefined) throw new Stop(EXIT.failed, "The host has no record of a transaction.");
  if (wanted === undefined) return last;
  const number = /^\d{1,3}$/.test(wanted) ? pastOf(history)[Number(wanted)]?.id : undefined;
  const found =
    told.find(({ id }) => id === wanted || id === number) ??
    (/^[0-9a-f]{4,40}$/.test(wanted)
      ? told.find(({ release }) => release?.rev?.startsWith(wanted))
      : undefined);
  if (found !== undefined) return found;
  throw new UsageError(
    `The host has no transaction ${wanted} on record. It has releases ${told
      .map(({ release }) => release?.rev?.slice(0, 12))
      .filter((rev, index, all) => rev !== undefined && all.indexOf(rev) === index)
      .slice(0, 10)
      .join(", ")}. See: promote history`,
  );
}

/** What another host did with the same release last. */
export function sameRelease({ records }: History, { release }: LedgerRecord): LedgerRecord | null {
  return (
    records.find((record) => release?.rev != null && record.release?.rev === release.rev) ?? null
  );
}
