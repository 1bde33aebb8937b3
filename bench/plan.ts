import { openLab } from "../lab/lab.ts";
import { type Pair, switchPairs } from "./corpus/pairs.ts";
import { ACTIONS } from "./corpus/reality.ts";
import { mistakesOf, precision, recall, type Score, scoreOf } from "./corpus/score.ts";
import type { Report } from "./report.ts";

export interface PlanOptions {
  /** On each of two hosts. */
  readonly pairs: number;
  readonly seed: number;
}

/**
 * How much of what a switch does to units our plan says before: pairs of systems that differ by every rule, switched on
 * two hosts, and what systemd says of it. Beside it the dry run of the program itself.
 */
export async function plan({ pairs: count, seed }: PlanOptions): Promise<Report> {
  const lab = await openLab({ instance: "bench-plan", log: console.error });
  try {
    const began = performance.now();
    const found = await Promise.all(
      lab.hosts.map((host, index) => switchPairs(host, seed + index, count)),
    );
    const pairs = found.flat();
    const seconds = (performance.now() - began) / 1000;
    return { series: [], table: tableOf(pairs), summary: summarise(pairs, seed, seconds) };
  } finally {
    await lab.close();
  }
}

function tableOf(pairs: readonly Pair[]): string {
  const head = `${"".padEnd(28)}   right   false  missed  precision   recall`;
  const row = (name: string, score: Score) =>
    `${name.padEnd(28)} ${[score.right, score.false, score.missed].map((n) => String(n).padStart(7)).join(" ")} ` +
    ` ${percent(precision(score)).padStart(9)} ${percent(recall(score)).padStart(8)}`;
  const rows = [...ACTIONS, "all" as const].flatMap((action) => {
    const actions = action === "all" ? ACTIONS : [action];
    return [
      row(
        `${action}: plan`,
        scoreOf(pairs, ({ planned }) => planned, actions),
      ),
      row(
        `${action}: dry-activate`,
        scoreOf(pairs, ({ said }) => said, actions),
      ),
    ];
  });
  const rules = [...rulesOf(pairs)].map(
    ([rule, times]) => `  ${String(times).padStart(5)} ${rule}`,
  );
  return [
    head,
    ...rows,
    "",
    "What was changed, and how often:",
    ...rules,
    ...mistakesOf(pairs),
  ].join("\n");
}

function rulesOf(pairs: readonly Pair[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const rule of pairs.flatMap(({ rules }) => rules))
    times.set(rule, (times.get(rule) ?? 0) + 1);
  return new Map([...times].sort(([a], [b]) => a.localeCompare(b)));
}

/** `ours` and `reference`: of all actions, the part that the plan and the dry run have foreseen. */
function summarise(pairs: readonly Pair[], seed: number, seconds: number): Report["summary"] {
  const planned = scoreOf(pairs, (pair) => pair.planned);
  const said = scoreOf(pairs, (pair) => pair.said);
  const [ours, reference] = [recall(planned), recall(said)];
  const byAction = ACTIONS.map((action) => {
    const score = scoreOf(pairs, (pair) => pair.planned, [action]);
    return [action, { ...score, precision: round(precision(score)), recall: round(recall(score)) }];
  });
  return {
    ...{
      name: "plan",
      ours: round(ours),
      reference: round(reference),
      ratio: round(ours / reference),
    },
    ...{ pairs: pairs.length, seed, seconds: Math.round(seconds) },
    actions: Object.fromEntries(byAction),
    switchesFailed: pairs.filter(({ exit }) => exit !== 0).length,
    mistakes: mistakesOf(pairs).length,
  };
}

function percent(value: number): string {
  return `${(value * 100).toFixed(1)} %`;
}

function round(value: number): number {
  return Number(value.toFixed(4));
}
