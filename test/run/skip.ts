const reasons = new WeakMap<object, string>();

/** Skips the running test, or in a hook the suite, and says why: the run lists it with this reason. */
export function skip(context: Mocha.Context, reason: string): never {
  const runnable: (Mocha.Runnable & { type?: string }) | undefined = context.test;
  const skipped = runnable?.type === "hook" ? runnable.parent : runnable;
  if (skipped !== undefined) reasons.set(skipped, reason);
  return context.skip();
}

/** The reason given for the test itself or for a suite around it. */
export function reasonOf(test: Mocha.Runnable): string {
  let skipped: Mocha.Runnable | Mocha.Suite | undefined = test;
  for (; skipped !== undefined; skipped = skipped.parent) {
    const reason = reasons.get(skipped);
    if (reason !== undefined) return reason;
  }
  return "no reason given; skip(this, reason) of test/run/skip.ts gives one";
}
