import type { Connection } from "../../contract/connection.ts";
import { Failure } from "../errors.ts";
import { observe } from "./observation.ts";

/** A changed way to a host has to lead to the machine that it led to before. */
export async function proveSameMachine(
  connection: Connection,
  machineId: string,
  sentence: { readonly role: string; readonly advice: string },
): Promise<void> {
  const found = await observe(connection);
  if (found.machineId !== machineId)
    throw new Failure(
      "refused",
      `[host.connection] leads to another machine (${found.machineId}) than the one ${sentence.role} ` +
        `(${machineId}). Nothing was changed. ${sentence.advice}`,
    );
}
