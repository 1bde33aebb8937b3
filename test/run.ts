/** npm test: static checks, then the rooms of test/, one after the other; `--help` says more. */
import { constants } from "node:os";
import { type Arguments, HELP, parse, UsageError } from "./run/arguments.ts";
import { Crew } from "./run/crew.ts";
import { Preparation, type Purpose, removeAbandonedLabs } from "./run/preparation.ts";
import { printResult, printRoom, printSummary } from "./run/printer.ts";
import { Results } from "./run/results.ts";
import { ROOMS, type Room, STATIC, testFiles } from "./run/rooms.ts";
import { runStaticChecks } from "./run/static.ts";

/** What an interrupt has to end. */
interface Running {
  interrupt(signal: NodeJS.Signals): void;
  kill(): void;
}

const root = new URL("..", import.meta.url).pathname;
const results = new Results();
let running: Running | undefined;
let interrupted: NodeJS.Signals | undefined;
/** What is missing for a purpose, once it was asked for. */
const prepared = new Map<Purpose, string | undefined>();

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, interrupt);
process.on("exit", leaveNothing);
process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const options = parseOrExplain(argv);
  if (options === undefined) return 2;
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  const began = Date.now();
  if (options.rooms.includes(STATIC)) await runStaticChecks(root, options, results);
  await runRooms(options);
  if (options.list && interrupted === undefined) return 0;
  printSummary(results, Date.now() - began);
  if (interrupted !== undefined) return 128 + constants.signals[interrupted];
  return results.succeeded ? 0 : 1;
}

function parseOrExplain(argv: readonly string[]): Arguments | undefined {
  try {
    return parse(argv);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n\n${HELP}`);
    return undefined;
  }
}

async function runRooms(options: Arguments): Promise<void> {
  const rooms = ROOMS.filter(({ name }) => options.rooms.includes(name)).filter(
    (room) => testFiles(root, room).length > 0,
  );
  for (const room of rooms) {
    const purpose = purposeOf(room);
    if (purpose !== undefined && !options.list && !prepared.has(purpose))
      prepared.set(purpose, await prepare(purpose));
    if (interrupted !== undefined) return;
    printRoom(`${room.name}: ${room.about}`);
    const missing = purpose && prepared.get(purpose);
    if (missing !== undefined) failRoom(room, missing);
    else await runRoom(room, options);
  }
}

function purposeOf({ needsLab, needsBrowser }: Room): Purpose | undefined {
  if (needsLab) return "lab";
  return needsBrowser ? "report" : undefined;
}

async function prepare(purpose: Purpose): Promise<string | undefined> {
  const preparation = new Preparation(root, purpose);
  running = preparation;
  return preparation.missing();
}

async function runRoom(room: Room, options: Arguments): Promise<void> {
  const run = new Crew(root, room, results, options);
  running = run;
  await run.finished();
  running = undefined;
}

/** A room that cannot run is a failure and no silent skip: `--only` is there for those who want less. */
function failRoom({ name }: Room, why: string): void {
  const path = [name, "the room"];
  const result = { path, outcome: "failed", milliseconds: 0, detail: why } as const;
  results.add(result);
  printResult(result);
}

/** The first one lets the room take its lab down; a second one does not wait for that. */
function interrupt(signal: NodeJS.Signals): void {
  const again = interrupted !== undefined;
  interrupted ??= signal;
  console.error(again ? "Ending at once." : `\n${signal}: ending the tests and cleaning up ...`);
  if (again) running?.kill();
  else running?.interrupt(signal);
}

function leaveNothing(): void {
  running?.kill();
  if (prepared.has("lab") && prepared.get("lab") === undefined) removeAbandonedLabs(root);
}
