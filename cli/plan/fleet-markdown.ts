import type { FleetPlanDocument, PlannedWave } from "../../contract/fleet-plan.ts";
import { shortPath } from "../../contract/store-path.ts";
import { hostsText } from "../../providers/nixos/plan/text.ts";
import { code, details, fitted, table, text } from "../markdown.ts";
import { restOf, waveTitle } from "./fleet-text.ts";
import { changeDetails, footOf, overview, warnings } from "./markdown.ts";

/** The plan of many hosts for a comment: wave by wave, each group of hosts that are alike once. */
export function fleetPlanMarkdown(document: FleetPlanDocument): string {
  const { release, stack, hosts, waves } = document;
  const nothing = waves.every(({ groups }) => groups.length === 0);
  const revisions = [...new Set(Object.values(hosts).map(({ rev }) => rev?.slice(0, 12)))];
  const from = revisions.map((rev) => code(rev ?? "unmanaged")).join(", ");
  return fitted([
    `### ${nothing ? "No change" : "Plan"} for ${text(stack)}`,
    `${from === "" ? "" : `${from} → `}${code(release.rev.slice(0, 12))} ${text(release.subject)}`,
    ...waves.flatMap((wave) => waveParts(wave, document)),
    footOf(document),
  ]);
}

function waveParts(wave: PlannedWave, { mode, hosts: all }: FleetPlanDocument): string[] {
  const groups = wave.groups.flatMap(({ hosts, change }) => [
    `**${text(hostsText(hosts))}**`,
    ...warnings({ change }),
    ...(change.from === change.to && change.links.length === 0
      ? []
      : [table(["", ""], overview({ change, mode }))]),
    ...changeDetails({ change }),
    details(
      `Hosts: ${hosts.length}`,
      table(
        ["Host", "Runs", "Will run", "Machine"],
        hosts.map((host) => {
          const { currentSystem = null, to = null, machineId = "?" } = all[host] ?? {};
          const path = (of: string | null) => (of === null ? "nothing" : code(shortPath(of)));
          return [text(host), path(currentSystem), path(to), code(machineId)];
        }),
      ),
      hosts.length,
    ),
  ]);
  const troubles = wave.unseen.map(({ host, message }) => `> - ${text(`${host}: ${message}`)}`);
  return [
    `#### Wave ${text(waveTitle(wave))}`,
    ...groups,
    ...restOf(wave).map(text),
    ...(troubles.length === 0 ? [] : [["> [!WARNING]", ...troubles].join("\n")]),
  ].filter((part) => part !== "");
}
