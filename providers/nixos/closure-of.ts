import { type Connection, describeConnection } from "../../contract/connection.ts";
import { description } from "../../contract/description.ts";
import { Failure } from "../errors.ts";
import { call } from "../executors/executor.ts";
import { reach } from "./route.ts";
import type { SizedPath } from "./sources.ts";

/** All that a system needs, as the builder has it. */
export async function closureOf(toplevel: string, builder: Connection): Promise<SizedPath[]> {
  const { valid, closure } = await call(
    reach(builder, "release.builder"),
    "describe",
    { toplevel, closure: true, units: false },
    description,
  );
  if (valid) return closure;
  throw new Failure(
    "refused",
    `${toplevel} is not in the store of ${describeConnection(builder)}. Build the release there first.`,
  );
}
