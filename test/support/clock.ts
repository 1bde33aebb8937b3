/**
 * Runs something that sleeps, on a clock that jumps: each sleep ends at once, and the time has
 * gone on by its length.
 */
export async function withoutWaiting<T>(run: () => Promise<T>): Promise<T> {
  const { setTimeout: realTimeout } = globalThis;
  const realNow = Date.now;
  let now = realNow();
  Date.now = () => now;
  globalThis.setTimeout = ((wake: () => void, milliseconds = 0) => {
    return setImmediate(() => {
      now += milliseconds;
      wake();
    });
  }) as unknown as typeof realTimeout;
  try {
    return await run();
  } finally {
    globalThis.setTimeout = realTimeout;
    Date.now = realNow;
  }
}
