/** What of a plan says whether anything will be done, or is to be told. */
interface Settling {
  readonly from: string | null;
  readonly to: string | null;
  readonly links: readonly object[];
  /** Absent, too, from an answer that has passed the engine without its nulls. */
  readonly running?: string | null;
  readonly drift: readonly string[];
  readonly pending: readonly string[];
}

/** Is there nothing to be told of it? */
export function isSettled({ from, to, links, running, drift, pending }: Settling): boolean {
  const still = from === to && links.length === 0 && !running;
  return still && drift.length === 0 && pending.length === 0;
}
