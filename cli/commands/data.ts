import { describeTime } from "../../contract/job-record.ts";
import { unitName } from "../../contract/probe.ts";
import { shortPath } from "../../contract/store-path.ts";
import { contractUnits } from "../../contract/units.ts";
import { bytesText } from "../../providers/nixos/plan/text.ts";
import type { Settings } from "../../settings.ts";
import { tellDetour, workAlone } from "../alone.ts";
import {
  chooseBackup,
  chosenDirectories,
  type KnownBackup,
  readBackups,
  restoreBackup,
} from "../backups.ts";
import { requireHealthy } from "../carry-out.ts";
import type { Call } from "../commands.ts";
import { EXIT, type ExitCode, Stop, UsageError } from "../exit-code.ts";
import { isSet, listOf, operandsOf, textOf } from "../flags.ts";
import type { Output } from "../output.ts";
import { DEFAULT_STACK, openProject, type SettledStack, settled, stackNamed } from "../project.ts";
import { requireYes } from "../question.ts";
import { lookAt, type Sight } from "../sight.ts";
import { type Cell, table } from "../table.ts";
import { plain } from "../text.ts";

/** Backups of mutable data: what there is, and one of them brought back. No release ever does that. */
export async function data(call: Call): Promise<ExitCode> {
  const { flags, cwd } = call;
  const [verb, name, ...more] = operandsOf(flags);
  const stack = () =>
    settled(stackNamed(openProject(cwd), textOf(flags, "stack") ?? DEFAULT_STACK));
  if (verb === "list" && name === undefined) return list(call, stack());
  if (verb === "restore" && name !== undefined && more.length === 0)
    return restore(call, stack(), name);
  throw new UsageError(
    verb === "restore"
      ? "data restore needs the name of a backup. See: promote data list"
      : `data knows list and restore NAME, and not ${[verb, name].filter(Boolean).join(" ")}. See: promote data --help`,
  );
}

async function list({ output }: Call, stack: SettledStack): Promise<ExitCode> {
  output.progress(`asking ${stack.settings.host.name} …`);
  const found = await readBackups(stack);
  for (const line of backupLines(found, output)) output.line(line);
  output.document({ stack: stack.name, backups: found });
  return EXIT.done;
}

/** A row for each backup, and below it what it holds. */
function backupLines(
  found: readonly KnownBackup[],
  output: Pick<Output, "width" | "paint" | "wrap">,
): string[] {
  if (found.length === 0)
    return output.wrap(
      "The host has no backup of mutable data. See [activation.data] in docs/settings.md.",
    );
  const columns = [
    { title: "BACKUP" },
    { title: "MADE" },
    { title: "BEFORE", flexible: true as const },
  ];
  const rows = found.map(({ name, at, before }): Cell[] => [
    { text: name, style: "bold" },
    { text: describeTime(at).replace(/:\d\d UTC$/, "Z") },
    { text: before === null ? "" : plain(`${before.rev.slice(0, 12)} ${before.subject}`) },
  ]);
  const [titles = "", ...lines] = table(columns, rows, output);
  return [
    titles,
    ...found.flatMap(({ directories }, index) => [
      lines[index] ?? "",
      ...directories.flatMap((one) =>
        output.wrap(plain(describeKept(one)), { indent: "    ", hanging: "      " }),
      ),
    ]),
  ];
}

function describeKept({
  directory,
  kind,
  path,
  size,
  bytes,
  steady,
  there,
}: KnownBackup["directories"][number]): string {
  const how = kind === "tar" ? `archive of ${bytesText(bytes ?? 0)}` : `${kind} snapshot ${path}`;
  return [
    `${directory}: ${size > 0 ? `${bytesText(size)}, ` : ""}${how}`,
    ...(steady ? [] : ["files were written while it was made"]),
    ...(there ? [] : ["GONE from the host"]),
  ].join("; ");
}

async function restore(
  { flags, output }: Call,
  stack: SettledStack,
  name: string,
): Promise<ExitCode> {
  const { settings } = stack;
  const host = settings.host.name;
  output.progress(`asking ${host} …`);
  const sight = await lookAt(settings);
  requireMachine(stack, sight);
  tellDetour(stack, output);
  const backup = chooseBackup(await readBackups(stack), name);
  const wanted = listOf(flags, "directory");
  const directories = chosenDirectories(backup, wanted);
  const units = unitsOf(settings, listOf(flags, "stop"));
  for (const sentence of sentencesOf({ host, backup, directories, units, sight }))
    output.say(sentence);

  const yes = isSet(flags, "yes");
  const report = workAlone(stack, output);
  const what = { stack, backup, directories: wanted, units };
  if (!yes) {
    await restoreBackup({ ...what, check: true }, report);
    output.line(`${output.paint("ok", "green")} the backup is whole, and there is room for it`);
  }
  const about = { stack: stack.name, backup, units };
  await requireYes(`Do this on ${host}?`, {
    ...{ yes, output, about },
    instead: `To do it: promote data restore ${name} --stack ${stack.name} --yes`,
  });
  const said = await restoreBackup({ ...what, check: false }, report);
  for (const { directory, aside } of said.directories)
    output.say(
      `${output.paint("ok", "green")} ${directory} is as it was at ${describeTime(backup.at)}` +
        (aside === null ? "" : `; what was there is in ${aside}, for you to remove`),
    );
  if (said.reason !== null)
    throw new Stop(EXIT.unhealthy, `${said.reason} See: promote status --stack ${stack.name}`, {
      ...about,
      ...said,
    });
  const now = await requireHealthy(stack, output);
  output.document({ ...about, ...said, sight: now });
  return EXIT.done;
}

function requireMachine({ settings, name }: SettledStack, { error, machineId }: Sight): void {
  if (error !== null) throw new Stop(EXIT.unknown, error.message, { stack: name });
  const wanted = settings.host.machineId;
  if (wanted === undefined || wanted === machineId) return;
  throw new Stop(
    EXIT.failed,
    `What answers there is the machine ${machineId}, not [host.machineId] ${wanted}. Nothing was changed. Correct the one that is wrong.`,
  );
}

/** What may have the data open: the units of the health contract, and those that run from links; or what the operator names. */
export function unitsOf({ health, activation }: Settings, named: readonly string[]): string[] {
  if (named.length === 1 && named[0] === "none") return [];
  const wrong = named.find((unit) => !unitName.safeParse(unit).success);
  if (wrong !== undefined)
    throw new UsageError(
      `--stop takes the name of a unit such as hypervisor.service, not ${wrong}.`,
    );
  if (named.length > 0) return [...named];
  return [...new Set([...contractUnits(health), ...(activation.links?.restart ?? [])])];
}

function sentencesOf({
  host,
  backup,
  directories,
  units,
  sight,
}: {
  readonly host: string;
  readonly backup: KnownBackup;
  readonly directories: KnownBackup["directories"];
  readonly units: readonly string[];
  readonly sight: Sight;
}): string[] {
  const { before, at, system } = backup;
  const made = before === null ? "" : ` before ${before.rev.slice(0, 12)} ${plain(before.subject)}`;
  return [
    `${host} gets back what it had at ${describeTime(at)}${made}:`,
    ...directories.map(
      (one) => `  ${plain(describeKept(one))}. What is there now is moved aside, and stays.`,
    ),
    units.length === 0
      ? "  Nothing is stopped meanwhile."
      : `  Stopped meanwhile, if they run: ${units.join(", ")}.`,
    ...(system === null || system === sight.currentSystem
      ? []
      : [
          `The data are of ${shortPath(system)}, and ${host} runs ${shortPath(sight.currentSystem ?? "nothing")}. ` +
            "If that cannot read them, roll back to a release that can, first.",
        ]),
  ];
}
