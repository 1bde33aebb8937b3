/** Seconds of every run, in the order in which they ran. */
export interface Series {
  readonly name: string;
  readonly seconds: number[];
}

export interface Report {
  readonly series: Series[];
  /** Where the figures are no seconds. */
  readonly table?: string;
  readonly summary: { name: string; ours: number; reference: number; ratio: number } & Record<
    string,
    unknown
  >;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? Number.NaN) + high) / 2;
}

/**
 * Runs them in turn, A B A B, so that a machine that slows down slows all. The first round is not
 * counted. `ratio` is the median of ours / reference in each round.
 */
export async function inTurn<Name extends string>(
  rounds: number,
  runs: Record<Name | "ours" | "reference", () => Promise<number>>,
): Promise<Record<Name | "ours" | "reference", number[]> & { ratio: number }> {
  const all = Object.entries(runs) as [Name | "ours" | "reference", () => Promise<number>][];
  const seconds = Object.fromEntries(all.map(([name]) => [name, [] as number[]])) as Record<
    Name | "ours" | "reference",
    number[]
  >;
  for (let round = 0; round <= rounds; round++)
    for (const [name, run] of all) {
      const took = await run();
      if (round > 0) seconds[name].push(took);
    }
  return { ...seconds, ratio: median(ratios(seconds.ours, seconds.reference)) };
}

/** Of each round. */
export function ratios(ours: readonly number[], reference: readonly number[]): number[] {
  return ours.map((value, index) => value / (reference[index] ?? Number.NaN));
}

export function printTable({ series, table }: Report): void {
  if (table !== undefined) {
    console.log(table);
    return;
  }
  const width = Math.max(...series.map(({ name }) => name.length));
  console.log(`${"".padEnd(width)}      min   median      max   seconds`);
  for (const { name, seconds } of series) {
    const figures = [Math.min(...seconds), median(seconds), Math.max(...seconds)];
    console.log(
      `${name.padEnd(width)} ${figures.map((value) => value.toFixed(2).padStart(8)).join(" ")}   n=${seconds.length}`,
    );
  }
}
