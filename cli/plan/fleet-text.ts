import type { FleetPlanDocument, PlannedWave } from "../../contract/fleet-plan.ts";
import { hostsText } from "../../providers/nixos/plan/text.ts";
import { plain } from "../text.ts";
import { aboutLine, type Paper, textLines } from "./text.ts";

/** The plan of many hosts in a terminal: wave by wave, each group of hosts that are alike once. */
export function fleetPlanLines(document: FleetPlanDocument, output: Paper): string[] {
  const { waves } = document;
  return [...waves.flatMap((wave) => waveLines(wave, output)), aboutLine(document, output)];
}

function waveLines(wave: PlannedWave, output: Paper): string[] {
  const { groups, unseen } = wave;
  const margins = { indent: "  ! ", hanging: "    " };
  const troubles = unseen.flatMap(({ host, message }) =>
    output.wrap(plain(`${host}: ${message}`), margins).map((line) => output.paint(line, "yellow")),
  );
  return [
    output.paint(`wave ${waveTitle(wave)}`, "cyan"),
    ...groups.flatMap(({ text }) => textLines(text, output)),
    ...restOf(wave).flatMap((line) => output.wrap(plain(line), { hanging: "  " })),
    ...troubles,
    "",
  ];
}

/** `east: 3 hosts, then 60 s of soak` */
export function waveTitle({ name, groups, settled, unseen, held, soakSeconds }: PlannedWave) {
  const count = [settled, unseen, held, ...groups.map(({ hosts }) => hosts)].flat().length;
  const soak = soakSeconds > 0 ? `, then ${soakSeconds} s of soak` : "";
  return `${name}: ${count} ${count === 1 ? "host" : "hosts"}${soak}`;
}

/** Of whom there is nothing else to tell. */
export function restOf({ settled, held }: PlannedWave): string[] {
  return [
    ...(settled.length === 0 ? [] : [`${hostsText(settled)}: no change`]),
    ...(held.length === 0 ? [] : [`${hostsText(held)}: left alone, by [only]`]),
  ];
}
