// What Pulumi's SDK does for those who debug it, for each promise and each resource, takes half of a program's time and
// memory where hosts are many. NIXOS_PROMOTE_SDK_DEBUG, if it is set, leaves it as it is.
import log from "@pulumi/pulumi/log/index.js";
import * as debuggable from "@pulumi/pulumi/runtime/debuggable.js";
import "./stack-traces.ts";

interface Debuggable {
  debuggablePromise(promise: Promise<unknown>, context: string): Promise<unknown>;
}

if (!process.env["NIXOS_PROMOTE_SDK_DEBUG"] && !process.env["PULUMI_DEBUG_PROMISE_LEAKS"]) {
  keepNoTraces((debuggable as unknown as { default: Debuggable }).default);
  // A call to the engine for each step of each resource, one after the other. Our own messages wait behind them.
  Object.assign(log, { debug: () => Promise.resolve() });
}

/** A promise that never ends is still found out, but not where it was made: that text is a kilobyte. */
function keepNoTraces(sdk: Debuggable): void {
  const { debuggablePromise } = sdk;
  sdk.debuggablePromise = (promise) => {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    try {
      return debuggablePromise(promise, "");
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
  };
}
