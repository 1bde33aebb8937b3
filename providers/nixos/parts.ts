/** A path that its host lacks, and which of the others it refers to, by their places in the list. */
export interface Piece {
  readonly path: string;
  readonly bytes: number;
  readonly references: readonly number[];
}

/** What one stream copies in one go, as soon as the parts before it have arrived. */
export type Part = {
  readonly paths: string[];
  /** By their places in the list; all of them come earlier. */
  readonly after: number[];
};

const MEBIBYTE = 1048576;
/** What a stream of its own and what a path costs, as bytes that could be sent meanwhile. */
const COST = { part: 24 * MEBIBYTE, path: 64 * 1024 };
/** Less is not worth a part. */
const LEAST = 32 * MEBIBYTE;
const MOST_STREAMS = 6;
/** A command line is bounded. */
const MOST_PATHS = 5000;

/** Less is copied soon anyway: to begin several streams, and to wait for their parts, takes seconds. */
export const LITTLE = 16 * LEAST;

export function streamsFor(bytes: number): number {
  return bytes < LITTLE ? 1 : Math.min(Math.floor(bytes / (4 * LEAST)), MOST_STREAMS);
}

/**
 * Divides paths among streams. A store takes a path only after all that it refers to: what is in a part
 * refers to paths of the same part and of parts that have arrived by then. What is left, less than is worth
 * a part, is in none.
 */
export function partsOf(pieces: readonly Piece[], streams: number): Part[] {
  const order = urgentFirst(pieces);
  const parts: (Part & { readonly ends: number })[] = [];
  const partOf = new Map<number, number>();
  const freeAt: number[] = Array(streams).fill(0);
  let left = sum(order.map((index) => weightOf(pieces[index])));
  while (left > LEAST) {
    const now = Math.min(...freeAt);
    const stream = freeAt.indexOf(now);
    const isThere = (index: number) => (parts[partOf.get(index) ?? -1]?.ends ?? Infinity) <= now;
    const waiting = order.filter((index) => !partOf.has(index));
    const taken = take(pieces, waiting, isThere, Math.max(LEAST, left / (3 * streams)));
    if (taken.length === 0) {
      freeAt[stream] = Math.min(...parts.map(({ ends }) => (ends > now ? ends : Infinity)));
      if (freeAt[stream] === Infinity) break;
      continue;
    }
    const weight = sum(taken.map((index) => weightOf(pieces[index])));
    const ends = now + COST.part + weight;
    const references = taken.flatMap((index) => pieces[index]?.references ?? []);
    const after = new Set(references.flatMap((index) => partOf.get(index) ?? []));
    const paths = taken.map((index) => pieces[index]?.path ?? "");
    for (const index of taken) partOf.set(index, parts.length);
    parts.push({ paths, after: [...after].sort((a, b) => a - b), ends });
    freeAt[stream] = ends;
    left -= weight;
  }
  return parts.map(({ paths, after }) => ({ paths, after }));
}

/** The first of those that wait which can go together now; at least one, if any can. */
function take(
  pieces: readonly Piece[],
  waiting: readonly number[],
  isThere: (index: number) => boolean,
  most: number,
): number[] {
  const taken = new Set<number>();
  let weight = 0;
  for (const index of waiting) {
    const own = weightOf(pieces[index]);
    if (taken.size > 0 && (weight + own > most || taken.size === MOST_PATHS)) continue;
    const ready = pieces[index]?.references.every((each) => taken.has(each) || isThere(each));
    if (!ready) continue;
    taken.add(index);
    weight += own;
  }
  return [...taken];
}

/**
 * Those first that hold up most: by the heaviest chain of paths that wait for them, so that a path comes after
 * all that it refers to. Older Nix takes the name of a derivation for what it builds: none of these.
 */
function urgentFirst(pieces: readonly Piece[]): number[] {
  const height = pieces.map(weightOf);
  const referrers = pieces.map(() => 0);
  for (const { references } of pieces)
    for (const index of references) referrers[index] = (referrers[index] ?? 0) + 1;
  const sorted = [...pieces.keys()].filter((index) => referrers[index] === 0);
  for (const index of sorted)
    for (const reference of pieces[index]?.references ?? []) {
      const through = weightOf(pieces[reference]) + (height[index] ?? 0);
      height[reference] = Math.max(height[reference] ?? 0, through);
      referrers[reference] = (referrers[reference] ?? 0) - 1;
      if (referrers[reference] === 0) sorted.push(reference);
    }
  return sorted
    .filter((index) => !pieces[index]?.path.endsWith(".drv"))
    .sort((a, b) => (height[b] ?? 0) - (height[a] ?? 0));
}

function weightOf(piece: Piece | undefined): number {
  return piece === undefined ? 0 : piece.bytes + COST.path;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
