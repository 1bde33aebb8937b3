import type { Connection } from "../../contract/connection.ts";
import { Failure, inContext, isClosed } from "../errors.ts";
import type { Executor } from "../executors/executor.ts";
import { detourOf, executorFor } from "../executors/index.ts";
import type { Reporter } from "./engine.ts";

/** The settings that say how to reach a machine. */
export type Route = "host.connection" | "release.builder" | "traffic.proxy" | "traffic.active";

/** The executor of a connection; when the machine cannot be reached, the message begins with the setting. */
export function reach(connection: Connection, route: Route): Executor {
  const executor = executorFor(connection);
  return {
    get host() {
      return executor.host;
    },
    get kind() {
      return executor.kind;
    },
    close: () => executor.close(),
    run: (script, input, options) =>
      executor.run(script, input, options).catch((error) => {
        throw namingRoute(route, error);
      }),
  };
}

export function namingRoute(route: Route, error: unknown): unknown {
  return isClosed(error) && !error.message.startsWith("[") ? inContext(`[${route}]`, error) : error;
}

const told = new Set<string>();

/** Says that the fallback is used and why: once, and `again` for who is shown a run of its own. */
export function tellDetour(connection: Connection, report: Reporter, again = false): void {
  const detour = detourOf(connection);
  if (detour === undefined || (told.has(detour) && !again)) return;
  told.add(detour);
  report.warn(detour);
}

/** A `pulumi refresh` reaches what it reads as it was recorded, not as it is set now: without a word on that, a corrected setting would seem to be ignored. */
export function namingRecord(error: unknown): unknown {
  if (!isClosed(error)) return error;
  const advice =
    "This way was recorded by the last `pulumi up`. If you have changed the setting since, run `pulumi up`.";
  return new Failure(error.kind, `${error.message} ${advice}`, { cause: error });
}
