// Unit trees that differ from one to the next as releases do, and by every rule of switch-to-configuration.
import type { UnitTree } from "../../providers/nixos/plan/unit-files.ts";
import { CHANGES, type Change } from "./changes.ts";
import { born, type Family, filesOf, instancesOf } from "./families.ts";
import { Random } from "./random.ts";

/** What somebody does by hand before the switch. */
export interface ByHand {
  readonly start: string[];
  readonly stop: string[];
  readonly kill: string[];
}

/** A tree, what is done by hand to the one before it while it runs, and by which rules the two differ. */
export interface Step {
  readonly tree: UnitTree;
  readonly byHand: ByHand;
  readonly rules: string[];
}

const FAMILIES = 14;

/** Each step is a switch from the tree of the step before it; the first one from none of these units. */
export function stepsOf(seed: number, count: number): Step[] {
  const random = new Random(seed);
  let next = 0;
  let families: Family[] = [];
  const steps: Step[] = [];
  while (steps.length < count) {
    const rules: string[] = [];
    const before = families;
    const byHand = handsOn(before, random, rules);
    families = before.flatMap((family) => evolve(family, random, rules));
    while (families.length < FAMILIES) {
      families.push(born(next++, random));
      rules.push("new");
    }
    relate(families, random, rules);
    const trees = families.map(filesOf);
    steps.push({ tree: Object.assign({}, ...trees), byHand, rules });
  }
  return steps;
}

function evolve(family: Family, random: Random, rules: string[]): Family[] {
  if (random.chance(0.06)) {
    rules.push("removed");
    return [];
  }
  let now = family;
  while (random.chance(0.45)) {
    const change: Change = random.one(CHANGES);
    const then = change.apply(now, random);
    if (then === undefined) continue;
    now = then;
    rules.push(change.rule);
  }
  return [now];
}

/** One may need another; who needs a unit that is gone is left as it is, as in a mistaken release. */
function relate(families: Family[], random: Random, rules: string[]): void {
  if (!random.chance(0.3)) return;
  const at = 1 + random.upTo(families.length - 1);
  const [family, other] = [families[at], families[random.upTo(at)]];
  if (family === undefined || other === undefined || other.kind === "mount") return;
  const kind = random.one(["Requires", "BindsTo", "PartOf", "Wants", "Upholds"] as const);
  rules.push(kind);
  families[at] = { ...family, unit: { ...family.unit, [kind]: `${other.name}.service` } };
}

function handsOn(families: readonly Family[], random: Random, rules: string[]): ByHand {
  const hands: ByHand = { start: [], stop: [], kill: [] };
  for (const family of families) {
    if (family.masked) continue;
    for (const unit of instancesOf(family)) {
      if (!random.chance(0.15)) continue;
      const action = random.one(["start", "start", "stop", "kill"] as const);
      if (action === "kill" && !unit.endsWith(".service")) continue;
      hands[action].push(unit);
      rules.push(`${action} by hand`);
    }
  }
  return hands;
}
