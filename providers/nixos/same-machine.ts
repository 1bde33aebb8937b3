import { Failure } from "../errors.ts";

/** A changed way to a host has to lead to the machine that it led to before. */
export function requireSameMachine(
  found: string,
  machineId: string,
  sentence: { readonly role: string; readonly advice: string },
): void {
  if (found !== machineId)
    throw new Failure(
      "refused",
      `[host.connection] leads to another machine (${found}) than the one ${sentence.role} ` +
        `(${machineId}). Nothing was changed. ${sentence.advice}`,
    );
}
