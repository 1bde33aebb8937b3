import { Failure } from "../errors.ts";
import type { Route } from "./route.ts";

/** A changed way to a host has to lead to the machine that it led to before. */
export function requireSameMachine(
  found: string,
  machineId: string,
  {
    setting = "host.connection",
    role,
    advice,
  }: { readonly setting?: Route; readonly role: string; readonly advice: string },
): void {
  if (found !== machineId)
    throw new Failure(
      "refused",
      `[${setting}] leads to another machine (${found}) than the one ${role} ` +
        `(${machineId}). Nothing was changed. ${advice}`,
    );
}
