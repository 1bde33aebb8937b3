import { type PlanDocument, unitActions } from "../../contract/plan.ts";
import { shortPath } from "../../contract/store-path.ts";
import { etcText, namedChanges, usersText } from "../../providers/nixos/plan/changes-text.ts";
import { bytesText } from "../../providers/nixos/plan/text.ts";
import { code, details, fitted, table, text } from "../markdown.ts";

/** A plan for a comment of a pull request and the summary of a job. */
export function planMarkdown(document: PlanDocument): string {
  const { change, host, release, stack } = document;
  const nothing = change.from === change.to && change.links.length === 0;
  const head = [
    `### ${nothing ? "No change" : "Plan"} for ${text(stack)}: ${text(host.name)}`,
    `${code(host.rev?.slice(0, 12) ?? "unmanaged")} → ${code(release.rev.slice(0, 12))} ${text(release.subject)}`,
    ...warnings(document),
    ...(nothing ? [] : [table(["", ""], overview(document))]),
  ];
  const more = [
    ...changeDetails(document),
    details("The host as it was", table(["", ""], hostRows(document)), 1),
  ];
  const parts = [...head, ...more].filter((part) => part !== "");
  return fitted([
    ...parts,
    `${footOf(document)} Apply this and nothing else: ${code("promote --plan FILE")}`,
  ]);
}

export function footOf({ id, createdAt }: Pick<PlanDocument, "id" | "createdAt">): string {
  const at = new Date(createdAt * 1000).toISOString().slice(0, 16).replace("T", " ");
  return `Plan ${code(id)} of ${at} UTC.`;
}

/** What is closed until somebody opens it. */
export function changeDetails({ change }: Changing): string[] {
  const sources = change.copy.sources ?? [];
  return [
    details(
      `Packages: ${change.packages.length}`,
      table(["Package", "Before", "After", "Size"], packageRows({ change })),
      change.packages.length,
    ),
    details(
      "Units",
      table(["Unit", "What happens to it"], unitRows({ change })),
      unitRows({ change }).length,
    ),
    details(
      `Users and /etc: ${nameRows({ change }).length}`,
      table(["", "Name", "What happens to it"], nameRows({ change })),
      nameRows({ change }).length,
    ),
    details(
      "Where it comes from",
      table(
        ["From", "Paths", "Bytes"],
        sources.map(({ from, paths, bytes }) => [
          from === null ? "no cache that is known" : code(from),
          String(paths),
          bytesText(bytes),
        ]),
      ),
      sources.length,
    ),
  ];
}

type Changing = Pick<PlanDocument, "change">;

export function warnings({ change }: Changing): string[] {
  const all = [
    ...(change.running === null ? [] : [change.running]),
    ...change.drift.map((sentence) => `Drift: ${sentence}`),
    ...change.reboot.map((sentence) => `Reboot: ${sentence}`),
    ...(change.copy.problems ?? []),
    ...change.pending,
  ];
  return all.length === 0
    ? []
    : [["> [!WARNING]", ...all.map((sentence) => `> - ${text(sentence)}`)].join("\n")];
}

export function overview({ change, mode }: Pick<PlanDocument, "change" | "mode">): string[][] {
  if (!change.built)
    return [
      [
        "System",
        "is not built yet: packages, units, users, /etc and the size of the copy are known once it is",
      ],
    ];
  const { paths, bytes, way } = change.copy;
  const units = unitActions
    .filter((action) => change.units[action].length > 0)
    .map((action) => [
      `**${action[0]?.toUpperCase()}${action.slice(1)}**`,
      listed(change.units[action].map(code)),
    ]);
  return [
    ["**Packages**", `${change.packages.length} change`],
    [
      "**Copy**",
      paths === 0
        ? "nothing: all paths are there"
        : text(`${paths} paths, ${bytesText(bytes)}${way === undefined ? "" : `, ${way}`}`),
    ],
    ...(units.length > 0 ? units : [["**Units**", "none changes"]]),
    ...row("**Users**", usersText(change.users ?? null, change.groups ?? null)),
    ...row("**/etc**", etcText(change.etc ?? null)),
    ...change.links.map(({ name, to }) => ["**Link**", `${code(name)} → ${code(to)}`]),
    ...(change.restart.length > 0 ? [["**Restart**", listed(change.restart.map(code))]] : []),
    ["**Probes**", change.probes.length === 0 ? "none" : listed(change.probes.map(text))],
    ...(change.effect === null ? [] : [["**Effect**", `${mode}: ${text(change.effect)}`]]),
  ];
}

function row(name: string, said: string | undefined): string[][] {
  return said === undefined ? [] : [[name, text(said)]];
}

const LISTED = 12;

function listed(items: readonly string[]): string {
  const rest = items.length - LISTED;
  return items.slice(0, LISTED).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}

function packageRows({ change }: Changing): string[][] {
  return change.packages.map(({ name, from, to, bytes }) => [
    code(name),
    text(from.join(", ")) || "–",
    text(to.join(", ")) || "–",
    bytes === 0 ? "" : `${bytes > 0 ? "+" : "−"}${bytesText(Math.abs(bytes))}`,
  ]);
}

function unitRows({ change }: Changing): string[][] {
  return unitActions.flatMap((action) => change.units[action].map((unit) => [code(unit), action]));
}

function nameRows({ change }: Changing): string[][] {
  return namedChanges(change).map(({ kind, name, happens }) => [kind, code(name), text(happens)]);
}

function hostRows({ host, change }: PlanDocument): string[][] {
  const path = (of: string | null) => (of === null ? "nothing" : code(shortPath(of)));
  return [
    ["Runs", path(host.currentSystem)],
    ["Will run", path(change.to)],
    [
      "Would boot",
      `${path(host.profile)}${host.generation === null ? "" : `, generation ${host.generation}`}`,
    ],
    ["Has booted", path(host.bootedSystem)],
    ["NixOS, Nix", text(`${host.nixosVersion ?? "?"}, ${host.nixVersion} (${host.system})`)],
    ["Machine", code(host.machineId)],
    ...(host.failedUnits.length > 0 ? [["Failed units", listed(host.failedUnits.map(code))]] : []),
  ];
}
