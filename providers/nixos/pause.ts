import { setTimeout as sleep } from "node:timers/promises";
import { interruption } from "./interruption.ts";

/** Waits, and tells every second what is left; answers false if a Ctrl-C came first. */
export async function pause(seconds: number, tell: (left: number) => void): Promise<boolean> {
  const stop = new AbortController();
  const stopListening = interruption.listen(() => stop.abort());
  const end = Date.now() + seconds * 1000;
  try {
    for (let left = seconds * 1000; left > 0; left = end - Date.now()) {
      tell(Math.ceil(left / 1000));
      await sleep(Math.min(left, 1000), undefined, { signal: stop.signal });
    }
    return true;
  } catch {
    return false;
  } finally {
    stopListening();
  }
}
