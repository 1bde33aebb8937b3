/** Seconds of every run, in the order in which they ran. */
export interface Series {
  readonly name: string;
  readonly seconds: number[];
}

export interface Report {
  readonly series: Series[];
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

/** Runs both in turn, A B A B, so that a machine that slows down slows both. The first pair is not counted. */
export async function inTurn(
  pairs: number,
  ours: () => Promise<number>,
  reference: () => Promise<number>,
): Promise<{ ours: number[]; reference: number[]; ratio: number }> {
  const seconds = { ours: [] as number[], reference: [] as number[] };
  for (let pair = 0; pair <= pairs; pair++) {
    const [a, b] = [await ours(), await reference()];
    if (pair === 0) continue;
    seconds.ours.push(a);
    seconds.reference.push(b);
  }
  const ratios = seconds.ours.map(
    (value, index) => value / (seconds.reference[index] ?? Number.NaN),
  );
  return { ...seconds, ratio: median(ratios) };
}

export function printTable({ series }: Report): void {
  const width = Math.max(...series.map(({ name }) => name.length));
  console.log(`${"".padEnd(width)}      min   median      max   seconds`);
  for (const { name, seconds } of series) {
    const figures = [Math.min(...seconds), median(seconds), Math.max(...seconds)];
    console.log(
      `${name.padEnd(width)} ${figures.map((value) => value.toFixed(2).padStart(8)).join(" ")}   n=${seconds.length}`,
    );
  }
}
