import type { Pair } from "./pairs.ts";
import { ACTIONS, type Action, type Actions } from "./reality.ts";

/** Of all units that were foreseen, and of all that happened. */
export interface Score {
  readonly right: number;
  /** Foreseen, and did not happen. */
  readonly false: number;
  /** Happened, and was not foreseen. */
  readonly missed: number;
}

export function precision({ right, false: wrong }: Score): number {
  return right + wrong === 0 ? 1 : right / (right + wrong);
}

export function recall({ right, missed }: Score): number {
  return right + missed === 0 ? 1 : right / (right + missed);
}

export function scoreOf(
  pairs: readonly Pair[],
  foreseen: (pair: Pair) => Actions,
  actions: readonly Action[] = ACTIONS,
): Score {
  const score = { right: 0, false: 0, missed: 0 };
  for (const pair of pairs)
    for (const action of actions) {
      const [said, real] = [new Set(foreseen(pair)[action]), new Set(pair.real[action])];
      for (const unit of said) {
        if (unit.endsWith(".target")) continue;
        if (real.has(unit)) score.right += 1;
        else score.false += 1;
      }
      for (const unit of real) if (!said.has(unit)) score.missed += 1;
    }
  return score;
}

/** One line for each unit whose fate was foreseen wrongly. */
export function mistakesOf(pairs: readonly Pair[]): string[] {
  return pairs.flatMap((pair) => {
    const where = `seed ${pair.seed}, pair ${pair.number}`;
    const units = new Set(ACTIONS.flatMap((a) => [...pair.planned[a], ...pair.real[a]]));
    return [...units].sort().flatMap((unit) => {
      if (unit.endsWith(".target")) return [];
      const [said, real] = [pair.planned, pair.real].map(
        (actions) => ACTIONS.find((action) => actions[action].includes(unit)) ?? "nothing",
      );
      if (said === real) return [];
      const why = pair.uncertain[unit];
      return [
        `${where}: ${unit}: foreseen ${said}, happened ${real}${why === undefined ? "" : ` (${why})`}`,
      ];
    });
  });
}
