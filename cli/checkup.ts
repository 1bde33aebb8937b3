import { Failure } from "../providers/errors.ts";
import { checkBackend } from "./checks/backend.ts";
import { type Building, checkBuilder } from "./checks/builder.ts";
import { checkCaches } from "./checks/caches.ts";
import { checkDelivery } from "./checks/delivery.ts";
import { checkHistory } from "./checks/history.ts";
import { checkHost } from "./checks/host.ts";
import { checkMachine, HERE } from "./checks/machine.ts";
import type { Facts } from "./facts.ts";
import { type Finding, Findings } from "./finding.ts";
import type { Output } from "./output.ts";
import type { SettledStack, Stack } from "./project.ts";
import type { Pulumi } from "./pulumi.ts";
import type { Watched } from "./sight.ts";
import { plain } from "./text.ts";
import { within } from "./within.ts";

const CHECK_SECONDS = 60;

/** All checks at the same time; what one of them cannot find out does not keep the others. */
export async function checkup(
  pulumi: Pulumi,
  facts: Facts,
  stacks: readonly Stack[],
): Promise<Finding[]> {
  const checks = [
    guarded(HERE, "machine", checkMachine(pulumi, stacks)),
    ...stacks.flatMap((stack) => checksOf(pulumi, facts, stack)),
  ];
  const found = (await Promise.all(checks)).flatMap(({ list }) => list);
  return withoutRepetition(found);
}

function checksOf(pulumi: Pulumi, facts: Facts, stack: Stack): Promise<Findings>[] {
  const { name, settings, members } = stack;
  const found = new Findings(name);
  if (members !== undefined)
    return [
      Promise.resolve(found.ok("settings", `no mistakes; ${members.length} hosts`)),
      guarded(name, "backend", checkBackend(pulumi, stack)),
      ...members.map((member) => checkMember(facts, name, member)),
    ];
  if (settings === undefined) {
    found.fail("settings", stack.mistakes ?? "", `Correct ${stack.file}: see docs/settings.md.`);
    return [Promise.resolve(found)];
  }
  found.ok("settings", "no mistakes");
  const settled: SettledStack = { ...stack, settings };
  const release = buildingOf(facts, settled);
  return [
    Promise.resolve(found),
    guarded(name, "backend", checkBackend(pulumi, stack)),
    guarded(name, "host", checkHost(facts, settled)),
    ...(settings.release.from === "build"
      ? [guarded(name, "builder", checkBuilder(facts, settled, settings.release))]
      : []),
    ...(release === undefined
      ? []
      : [
          guarded(name, "copy", checkDelivery(facts, settled, release)),
          guarded(name, "caches", checkCaches(facts, settled, release)),
          guarded(name, "history", checkHistory(facts, settled, release)),
        ]),
  ];
}

/** One of many hosts: a line where nothing is the matter. */
async function checkMember(facts: Facts, stack: string, member: Watched): Promise<Findings> {
  const host = member.host.name;
  const place = `${stack}, ${host}`;
  const found = await guarded(place, "host", checkHost(facts, { name: place, settings: member }));
  if (found.list.some(({ state }) => state !== "ok")) return found;
  return new Findings(stack).ok(host, found.list.map(({ about }) => about).join(", "));
}

/** The settings by which what a stack runs is built, where this project has them. */
export function buildingOf(facts: Facts, stack: SettledStack): Building | undefined {
  const release = facts.buildingStack(stack)?.settings.release;
  return release?.from === "build" ? release : undefined;
}

async function guarded(where: string, about: string, check: Promise<Findings>): Promise<Findings> {
  try {
    return await within(CHECK_SECONDS, `the check of ${about}`, check);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const found = new Findings(where);
    found.fail(about, error.message, "Do what the sentence says, and run promote doctor again.");
    return found;
  }
}

/** A host that does not answer fails several checks, and is told once. */
function withoutRepetition(found: readonly Finding[]): Finding[] {
  const told = new Set<string>();
  return found.filter(({ state, where, says }) => {
    const key = `${where} ${says.replace(/^\[[\w.]+\] /, "")}`; // some checks name the setting
    if (state === "ok") return true;
    if (told.has(key)) return false;
    told.add(key);
    return true;
  });
}

const STYLES = { ok: "green", warn: "yellow", fail: "red" } as const;

/** The findings by place, each with what to do. */
export function findingLines(
  found: readonly Finding[],
  output: Pick<Output, "paint" | "wrap">,
  titles: ReadonlyMap<string, string> = new Map(),
): string[] {
  const places = [...new Set(found.map(({ where }) => where))];
  return places.flatMap((place) => [
    output.paint(titles.get(place) ?? place, "bold"),
    ...found.filter(({ where }) => where === place).flatMap((one) => linesOf(one, output)),
  ]);
}

function linesOf(
  { state, about, says, fix }: Finding,
  output: Pick<Output, "paint" | "wrap">,
): string[] {
  const margins = { indent: "        ", hanging: "        " };
  const [first = "", ...rest] = output.wrap(
    `${about}: ${says.split("\n").map(plain).join("\n")}`,
    margins,
  );
  return [
    `  ${output.paint(state.padEnd(4), STYLES[state])}  ${first.trimStart()}`,
    ...rest,
    ...(fix === undefined ? [] : output.wrap(`-> ${fix}`, { ...margins, hanging: "           " })),
  ];
}
