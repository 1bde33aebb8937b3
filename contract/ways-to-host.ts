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

/** How many ways there are to try, one after the other. */
export function countWays({ fallback }: Pick<WaysToHost, "fallback">): number {
  return fallback === undefined ? 1 : 2;
}
