import { type Description, description } from "../../../contract/description.ts";
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
  const describe = (toplevel: string, more: object): Promise<Description> => {
    const options = { timeoutSeconds: ASK_SECONDS, endsWithUs: true };
    return call(host, "describe", { toplevel, ...more }, description, options);
  };
  try {
    const [before, after] = await Promise.all([
      describe(from, { states: true, conditionsOf: to, etc: true }),
      from === to ? undefined : describe(to, { etc: true }),
    ]);
    if (!before.valid || after?.valid === false) return undefined;
    const wanted = after ?? before;
    return unitChanges(before.units, wanted.units, before.states, holdsAfter(before, wanted));
  } catch {
    return undefined;
  }
}
