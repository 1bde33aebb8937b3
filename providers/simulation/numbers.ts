import type { Duration } from "../../contract/simulation.ts";

/** Numbers from 0 to 1, the same ones for the same text. */
export function randomOf(text: string): () => number {
  let state = 2166136261;
  for (let i = 0; i < text.length; i++)
    state = Math.imul(state ^ text.charCodeAt(i), 16777619) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Of 99 in 100 normal values none is further than this above the middle. */
const Z99 = 2.3263;

/** Milliseconds, lognormal: half of all are below the median, one in 100 above the p99. */
export function drawn({ medianMs, p99Ms }: Duration, random: number): number {
  if (medianMs === 0) return 0;
  const sigma = Math.log(Math.max(1, p99Ms / medianMs)) / Z99;
  return medianMs * Math.exp(sigma * normal(random));
}

/** The normal value below which this share lies (Abramowitz and Stegun 26.2.23, cut off at its ends). */
function normal(share: number): number {
  const p = Math.min(Math.max(share, 0.001), 0.999);
  const t = Math.sqrt(-2 * Math.log(Math.min(p, 1 - p)));
  const z =
    t -
    (2.515517 + 0.802853 * t + 0.010328 * t * t) /
      (1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t * t * t);
  return p < 0.5 ? -z : z;
}
