import type { EtcChanges } from "../../../contract/plan.ts";

type Entries = Readonly<Record<string, string>>;

/** Which files below /etc another system has, has not, or has from elsewhere; null if one of the two does not tell. */
export function etcChanges(
  before: Entries | undefined,
  after: Entries | undefined,
): EtcChanges | null {
  if (before === undefined || after === undefined) return null;
  const [was, is] = [Object.keys(before).sort(), Object.keys(after).sort()];
  return {
    added: is.filter((name) => !(name in before)),
    removed: was.filter((name) => !(name in after)),
    changed: is.filter((name) => name in before && before[name] !== after[name]),
  };
}
