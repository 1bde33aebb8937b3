// Switches a lab host from one tree to the next, and asks before and after: our plan, the program's own dry run, systemd.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { type Description, description } from "../../contract/description.ts";
import type { LabHost } from "../../lab/lab.ts";
import { flatten } from "../../providers/executors/argument.ts";
import { remoteCommand } from "../../providers/executors/remote-command.ts";
import { scriptOf } from "../../providers/executors/script.ts";
import { holdsAfter } from "../../providers/nixos/plan/conditions.ts";
import { unitChanges } from "../../providers/nixos/plan/units.ts";
import { type Actions, dryRun, happened } from "./reality.ts";
import { putToplevels } from "./toplevels.ts";
import { type Step, stepsOf } from "./trees.ts";

export interface Pair {
  readonly seed: number;
  readonly number: number;
  readonly rules: readonly string[];
  readonly planned: Actions;
  /** What `dry-activate` of switch-to-configuration says. */
  readonly said: Actions;
  readonly real: Actions;
  readonly exit: number;
  /** Units that no plan can be sure of, and why. */
  readonly uncertain: Readonly<Record<string, string>>;
}

const WORK = "/var/lib/plan-corpus";

/** So many switches on one host, which then runs again what it ran before. */
export async function switchPairs(host: LabHost, seed: number, count: number): Promise<Pair[]> {
  const steps = stepsOf(seed, count + 1);
  const base = (await host.must(["readlink", "-e", "/run/current-system"])).trim();
  const trees = steps.map(({ tree }) => tree);
  const paths = await putToplevels(host, `pairs-${seed}`, trees);
  try {
    prepare(host, steps, paths);
    const timeout = 60_000 + count * 20_000;
    await host.must(["bash", `${WORK}/run`, ...paths], { timeout });
    return paths.slice(1).map((_, index) => readPair(host, { seed, steps, number: index + 1 }));
  } finally {
    await host.exec([`${base}/bin/switch-to-configuration`, "test"], { timeout: 120_000 });
  }
}

/** On the host itself, because a round trip takes longer than most of it. */
const RUN = `cd ${WORK} || exit
describe() { # TOPLEVEL OTHER: what our plan reads
  { printf 'toplevel\\t%s\\nconditionsOf\\t%s\\n' "$1" "$2"; cat argument; } >one
  cat script one | "\${command[@]}"
}
units() { systemctl show --all -p Id,ActiveState,SubState,InvocationID,StateChangeTimestampMonotonic -- 'p-*' 'mnt-p*'; }
mapfile -d '' -t command <command
"$1/bin/switch-to-configuration" test >0.log 2>&1
current=$1 number=0
for toplevel in "\${@:2}"; do
  number=$((number + 1))
  while read -r verb unit; do
    case $verb in
      kill) systemctl kill --signal=KILL -- "$unit" && sleep 0.05 ;;
      *) systemctl "$verb" -- "$unit" ;;
    esac
  done <$number.hands >>hands.log 2>&1
  describe "$current" "$toplevel" >$number.old
  describe "$toplevel" "$toplevel" >$number.new
  "$toplevel/bin/switch-to-configuration" dry-activate >$number.dry 2>&1
  units >$number.before
  "$toplevel/bin/switch-to-configuration" test >$number.log 2>&1
  echo $? >$number.exit
  units >$number.after
  current=$toplevel
done
`;

function prepare(host: LabHost, steps: readonly Step[], paths: readonly string[]): void {
  const inside = `${host.root}${WORK}`;
  mkdirSync(inside, { recursive: true });
  const script = scriptOf("describe");
  writeFileSync(`${inside}/script`, script);
  writeFileSync(`${inside}/argument`, flatten({ states: true, etc: true }));
  writeFileSync(
    `${inside}/command`,
    remoteCommand(script)
      .map((word) => `${word}\0`)
      .join(""),
  );
  writeFileSync(`${inside}/run`, RUN);
  for (const index of paths.keys()) {
    const lines = Object.entries(steps[index]?.byHand ?? {}).flatMap(([verb, units]) =>
      (units as string[]).map((unit) => `${verb} ${unit}\n`),
    );
    writeFileSync(`${inside}/${index}.hands`, lines.join(""));
  }
}

interface Place {
  readonly seed: number;
  readonly steps: readonly Step[];
  readonly number: number;
}

function readPair(host: LabHost, { seed, steps, number }: Place): Pair {
  const read = (what: string) => readFileSync(`${host.root}${WORK}/${number}.${what}`, "utf8");
  const told = (what: string): Description =>
    description.parse(JSON.parse(read(what).trimEnd().split("\n").at(-1) ?? ""));
  const [before, after] = [told("old"), told("new")];
  const holds = holdsAfter(before, after);
  const planned = unitChanges(before.units, after.units, before.states, holds);
  return {
    ...{ seed, number, rules: steps[number]?.rules ?? [] },
    planned,
    said: dryRun(read("dry")),
    real: happened(read("before"), read("after")),
    exit: Number(read("exit")),
    uncertain: uncertainIn(before, after, planned),
  };
}

/** See docs/plan-accuracy.md. */
function uncertainIn(before: Description, after: Description, planned: Actions) {
  const found: Record<string, string> = {};
  for (const text of [before, after].flatMap(({ units }) => Object.values(units)))
    for (const [, unit = ""] of text.matchAll(/^Upholds=(.*)$/gm)) found[unit] = "is upheld";
  const starts = [...planned.start, ...planned.restart];
  for (const unit of starts) {
    const socket = unit.replace(/\.service$/, ".socket");
    if (socket !== unit && socket in after.units)
      for (const one of [socket, unit]) found[one] ??= "a socket and its service start at once";
  }
  return found;
}
