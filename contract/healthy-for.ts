export interface HealthClaim {
  /** Such as: `grind runs release 9ace77e healthy`. */
  readonly it: string;
  readonly stack: string;
  readonly minimum: number;
  /** What the stack says: Unix seconds by its host's clock. */
  readonly healthySince: unknown;
  /** Unix seconds by ours. */
  readonly now: number;
}

/** Why a release has not been run healthy for long enough; undefined if it has. */
export function healthyTooShort({
  it,
  stack,
  minimum,
  healthySince,
  now,
}: HealthClaim): string | undefined {
  if (minimum === 0) return undefined;
  if (typeof healthySince !== "number")
    return `${it}, and does not say since when. Run \`pulumi up --stack ${stack}\`.`;
  const seconds = now - healthySince;
  if (seconds >= minimum) return undefined;
  return (
    `${it} for ${Math.max(0, seconds)} s, and ${minimum} s are asked for. ` +
    `Run again after ${utc(healthySince + minimum)}, or lower the setting.`
  );
}

function utc(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(/\.\d+/, "");
}
