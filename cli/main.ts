// The command `promote`: finds the command, reads its arguments, says how it ended.
import { type Flags, parse } from "./arguments.ts";
import { COMMANDS, type Command } from "./commands.ts";
import { EXIT, type ExitCode, Stop } from "./exit-code.ts";
import { helpOf, overview } from "./help.ts";
import { Output } from "./output.ts";

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, leave);
process.stdout.on("error", ignoreClosedPipe);
process.stderr.on("error", ignoreClosedPipe);
const code = await main(process.argv.slice(2));
// Not by itself: connections and what still waits for a host that does not answer would hold us.
process.stdout.write("", () => process.exit(code));

async function main(argv: readonly string[]): Promise<ExitCode> {
  const json = argv.includes("--json");
  const output = new Output({ json, aside: argv.includes("--markdown") });
  try {
    const { name, command, flags } = parse(argv, COMMANDS);
    if (flags.help === true) {
      output.line(name === undefined ? overview(COMMANDS, output) : helpOf(name, command, output));
      return EXIT.done;
    }
    return await run(command, flags, output);
  } catch (error) {
    const stop = await stopOf(error);
    output.failure(stop.message, stop.code, stop.details);
    return stop.code;
  }
}

async function run(command: Command, flags: Flags, output: Output): Promise<ExitCode> {
  const work = await command.load();
  try {
    return await work({ flags, output, cwd: String(flags.cwd ?? process.cwd()) });
  } finally {
    output.endProgress();
    const { abandonReading } = await import("../providers/executors/index.ts");
    await abandonReading();
  }
}

/** Every error as a sentence with the exit code that belongs to it. */
async function stopOf(error: unknown): Promise<Stop> {
  if (error instanceof Stop) return error;
  const { asStop } = await import("./failures.ts");
  return asStop(error);
}

/** Whoever has something under way listens himself. What only reads ends with us. */
function leave(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) === 1) process.exit(EXIT.interrupted);
}

function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit(EXIT.done); // `promote history | head`
  throw error;
}
