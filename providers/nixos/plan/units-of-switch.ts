import { description } from "../../../contract/description.ts";
import { call, type Executor } from "../../executors/executor.ts";
import { holdsAfter } from "./conditions.ts";
import { type UnitChanges, unitChanges } from "./units.ts";

const ASK_SECONDS = 20;

/**
 * What a switch of this host from one system to the other, both of which it has, will do to units. Undefined where that
 * cannot be told: no transaction waits for it.
 */
export async function unitsOfSwitch(
  host: Executor,
  from: string | null,
  to: string | undefined,
): Promise<UnitChanges | undefined> {
  if (from === null || to === undefined) return undefined;
  const question = { toplevel: from, after: to, states: true, conditionsOf: to, etc: true };
  const options = { timeoutSeconds: ASK_SECONDS, endsWithUs: true };
  try {
    const seen = await call(host, "describe", question, description, options);
    const { valid, units, unitsAfter, states, etcAfter } = seen;
    if (!valid || unitsAfter === undefined) return undefined;
    return unitChanges(units, unitsAfter, states, holdsAfter(seen, { etc: etcAfter }));
  } catch {
    return undefined;
  }
}
