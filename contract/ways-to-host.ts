import type { Connection, Way } from "./connection.ts";

export interface WaysToHost {
  readonly connection: Way;
  readonly fallback?: Way | undefined;
  readonly machineId?: string | undefined;
}

/** The connection that the settings of a host make up; with a fallback they name the machine too. */
export function connectionOf({ connection, fallback, machineId = "" }: WaysToHost): Connection {
  if (fallback === undefined) return connection;
  return { kind: "either", primary: connection, fallback, machineId };
}
