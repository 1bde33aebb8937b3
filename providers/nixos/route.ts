import type { Connection } from "../../contract/connection.ts";
import { Failure, type FailureKind, inContext } from "../errors.ts";
import type { Executor } from "../executors/executor.ts";
import { executorFor } from "../executors/index.ts";

/** The settings that say how to reach a machine. */
export type Route = "host.connection" | "release.builder";

const CLOSED: readonly FailureKind[] = ["unreachable", "auth", "host-key"];

/** The executor of a connection; when the machine cannot be reached, the message begins with the setting. */
export function reach(connection: Connection, route: Route): Executor {
  const executor = executorFor(connection);
  return {
    ...executor,
    run: (script, input, options) =>
      executor.run(script, input, options).catch((error) => {
        throw namingRoute(route, error);
      }),
  };
}

export function namingRoute(route: Route, error: unknown): unknown {
  return isClosed(error) ? inContext(`[${route}]`, error) : error;
}

/** A `pulumi refresh` reaches what it reads as it was recorded, not as it is set now: without a word on that, a corrected setting would seem to be ignored. */
export function namingRecord(error: unknown): unknown {
  if (!isClosed(error)) return error;
  const advice =
    "This way was recorded by the last `pulumi up`. If you have changed the setting since, run `pulumi up`.";
  return new Failure(error.kind, `${error.message} ${advice}`, { cause: error });
}

function isClosed(error: unknown): error is Failure {
  return error instanceof Failure && CLOSED.includes(error.kind);
}
