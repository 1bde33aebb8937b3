import { readFileSync, writeFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { type TrafficSettings, traffic } from "../contract/traffic.ts";
import { parseAll, SettingsError } from "../settings.ts";
import { EXIT, Stop, UsageError } from "./exit-code.ts";
import { openProject, type Project, type StackAround } from "./project.ts";

/** The stack that says which of some hosts gets public traffic. */
export interface TrafficStack extends Pick<StackAround, "name" | "file"> {
  readonly traffic: TrafficSettings;
}

/** Where only one has traffic, it need not be named. */
export function trafficStackOf(project: Project, wanted: string | undefined): TrafficStack {
  const all = project.around.filter(({ given }) => given["traffic"] !== undefined);
  const names = all.map(({ name }) => name).join(", ");
  const [only] = wanted === undefined ? all : all.filter(({ name }) => name === wanted);
  if (only !== undefined && (wanted !== undefined || all.length === 1))
    return settledTraffic(only, project);
  if (all.length === 0)
    throw new UsageError(
      `No stack in ${project.directory} says where public traffic goes. Write [traffic] into one without a host: see docs/traffic.md.`,
    );
  throw new UsageError(
    wanted === undefined
      ? `More than one stack says where public traffic goes. Name one with --stack: ${names}.`
      : `The stack ${wanted} does not say where public traffic goes. These do: ${names}.`,
  );
}

const withTraffic = z.object({ traffic });

function settledTraffic({ name, file, given }: StackAround, project: Project): TrafficStack {
  try {
    return { name, file, ...parseAll(withTraffic, given, project.name) };
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    throw new Stop(EXIT.usage, `${file}: ${error.message}`);
  }
}

/** Writes into the settings file who is to be active; answers what puts the file back. */
export function writeActive(
  project: Project,
  { file, name, traffic: before }: TrafficStack,
  active: string,
): () => void {
  const text = readFileSync(file, "utf8");
  const restore = () => writeFileSync(file, text);
  writeFileSync(file, withActive(text, project.name, active));
  if (isDeepStrictEqual(trafficIn(project, name), { ...before, active })) return restore;
  restore();
  throw new Stop(
    EXIT.failed,
    `${file} is written in a way that [traffic.active] cannot be changed in it. No traffic was moved. ` +
      `Write \`active: ${active}\` yourself, and run the same command again.`,
  );
}

/** What the file says now; undefined if it cannot be read any more. */
function trafficIn({ directory }: Project, name: string): TrafficSettings | undefined {
  try {
    return trafficStackOf(openProject(directory), name).traffic;
  } catch (error) {
    if (error instanceof Stop) return undefined;
    throw error;
  }
}

const ACTIVE = /(^|[\s{,])("?active"?:\s*)("[^"]*"|'[^']*'|[^\s,}#]+)/;

/** The text of a stack file with another active host. All else stays as it was written, its comments too. */
export function withActive(text: string, project: string, active: string): string {
  const lines = text.split("\n");
  const from = lines.findIndex((line) => line.startsWith(`  ${project}:traffic:`));
  if (from < 0) return text;
  const rest = lines.slice(from + 1).findIndex((line) => line !== "" && !/^ {3,}\S/.test(line));
  const count = rest < 0 ? lines.length - from : rest + 1;
  const block = lines.slice(from, from + count).join("\n");
  const changed = block.replace(
    ACTIVE,
    (_all, before: string, key: string) => `${before}${key}${active}`,
  );
  lines.splice(from, count, ...changed.split("\n"));
  return lines.join("\n");
}
