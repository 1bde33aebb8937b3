// Hosts that do not exist: they answer our scripts as hosts do, after as long as hosts take, and remember what was done to them.
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import {
  SIMULATION,
  type Simulation,
  simulation,
  simulationDirectory,
} from "../../contract/simulation.ts";
import { Failure } from "../errors.ts";
import { type Command, scriptOf } from "../executors/script.ts";
import { type Event, SimulatedHost } from "./host.ts";
import { drawn } from "./numbers.ts";

export interface Call {
  readonly script: string;
  readonly input: string;
  /** It takes a new connection. */
  readonly connects: boolean;
}

/** What a host says on stdout. */
export async function answerOf(name: string, { script, input, connects }: Call): Promise<string> {
  const { spec, host } = hostNamed(name);
  if (connects) await sleep(drawn(spec.connect, host.random()));
  if (host.isUnreachable)
    throw new Failure("unreachable", `${name} (simulated): nothing answers there.`);
  await sleep(drawn(spec.answer, host.random()));
  return `${JSON.stringify(await host.answer(commandOf(script), argumentsOf(input)))}\n`;
}

const hosts = new Map<string, SimulatedHost>();
let loaded: { readonly spec: Simulation; readonly state: string } | undefined;

/** With all that was done to it in earlier processes. */
function hostNamed(name: string): { spec: Simulation; host: SimulatedHost } {
  loaded ??= load();
  const { spec, state } = loaded;
  let host = hosts.get(name);
  if (host === undefined) {
    host = new SimulatedHost(name, spec, { record: (event) => record(state, event), arrive });
    hosts.set(name, host);
  }
  return { spec, host };
}

function load(): { spec: Simulation; state: string } {
  const directory = simulationDirectory();
  if (directory === undefined)
    throw new Failure(
      "refused",
      `There are no simulated hosts: ${SIMULATION} names no simulation.`,
    );
  const spec = simulation.parse(JSON.parse(readFileSync(`${directory}/simulation.json`, "utf8")));
  const state = `${directory}/state.jsonl`;
  loaded = { spec, state };
  const lines = existsSync(state) ? readFileSync(state, "utf8").split("\n").filter(Boolean) : [];
  for (const line of lines) {
    const event = JSON.parse(line) as Event;
    hostNamed(event.host).host.apply(event);
  }
  return loaded;
}

function record(state: string, event: Event): void {
  hostNamed(event.host).host.apply(event);
  appendFileSync(state, `${JSON.stringify(event)}\n`);
}

/** A builder has sent something. */
function arrive(to: string, path: string): void {
  const { state } = loaded ?? load();
  record(state, { host: to, kind: "has", path });
}

const commands = new Map<string, Command>();

function commandOf(script: string): Command {
  if (commands.size === 0)
    for (const command of SIMULATED) commands.set(scriptOf(command), command);
  const command = commands.get(script);
  if (command !== undefined) return command;
  throw new Failure(
    "script",
    `Simulated hosts know no other commands than ${SIMULATED.join(", ")}.`,
  );
}

const SIMULATED = [
  ...(["observe", "health", "describe", "missing", "references", "root", "forget"] as const),
  ...(["start", "follow", "confirm", "cancel"] as const),
];

/** The lines that a script gets, by key. */
export function argumentsOf(input: string): ReadonlyMap<string, string> {
  return new Map(
    input.split("\n").flatMap((line) => {
      const at = line.indexOf("\t");
      return at < 0 ? [] : [[line.slice(0, at), unescaped(line.slice(at + 1))] as const];
    }),
  );
}

const ESCAPES: Record<string, string> = { n: "\n", t: "\t", r: "\r" };

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (_, letter: string) => ESCAPES[letter] ?? letter);
}
