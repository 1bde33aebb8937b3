import { type ParseArgsConfig, parseArgs } from "node:util";
import { UsageError } from "./exit-code.ts";

export type Options = NonNullable<ParseArgsConfig["options"]>;
export type Flags = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

export interface Taken {
  readonly options: Options;
  /** Names of the arguments after the options; one that ends in `…` takes any number. */
  readonly operands: readonly string[];
}

/** Those of every command. */
export const COMMON: Options = {
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  cwd: { type: "string", short: "C" },
};

/** The command that runs when none is named. */
const DEFAULT_COMMAND = "promote";

interface Parsed<C> {
  /** Undefined if it was not named. */
  readonly name: string | undefined;
  readonly command: C;
  readonly flags: Flags & { readonly operands: readonly string[] };
}

/** Which command, and what it is given: `promote status --json`, or `promote --json status`. */
export function parse<C extends Taken>(
  argv: readonly string[],
  commands: Readonly<Record<string, C>>,
): Parsed<C> {
  const { given, args } = split(argv, commands);
  if (given === "help") return { ...parse([...args, "--help"], commands) };
  const name = given ?? DEFAULT_COMMAND;
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) throw new UsageError(unknownCommand(name, Object.keys(commands)));
  const { values, positionals } = read(name, command, args);
  return { name: given, command, flags: { ...values, operands: positionals } };
}

/** The command is the first word, or the first after options that names one; an option means the same to all of them. */
function split(
  argv: readonly string[],
  commands: Readonly<Record<string, Taken>>,
): { given: string | undefined; args: readonly string[] } {
  const options = Object.assign({}, COMMON, ...Object.values(commands).map((one) => one.options));
  const how = { strict: false, allowPositionals: true, tokens: true } as const;
  const { tokens } = parseArgs({ args: [...argv], options, ...how });
  const word = tokens.find(({ kind }) => kind === "positional");
  const given = word && argv[word.index];
  if (given === undefined || (word?.index !== 0 && !Object.hasOwn(commands, given)))
    return { given: undefined, args: argv };
  return { given, args: argv.filter((_, index) => index !== word?.index) };
}

function read(name: string, { options, operands }: Taken, args: readonly string[]) {
  const all = { ...COMMON, ...options };
  try {
    const parsed = parseArgs({ args: [...args], options: all, allowPositionals: true });
    const isHelp = parsed.values.help === true;
    if (!isHelp) checkOperands(name, operands, parsed.positionals);
    return parsed;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    // Node explains at length how to give a file that begins with a dash.
    const [sentence = ""] = (error as Error).message.split(". ");
    throw new UsageError(`${sentence.replace(/\.?$/, ".")} ${seeHelp(name)}`);
  }
}

function checkOperands(name: string, taken: readonly string[], given: readonly string[]): void {
  if (given.length > taken.length)
    throw new UsageError(
      `${name} takes ${taken.length === 0 ? "no arguments" : `only ${taken.join(" ")}`}: what is "${given[taken.length]}"? ${seeHelp(name)}`,
    );
  const missing = taken.slice(given.length).filter((operand) => !operand.startsWith("["));
  if (missing.length > 0)
    throw new UsageError(`${name} needs ${missing.join(" ")}. ${seeHelp(name)}`);
}

function unknownCommand(name: string, known: readonly string[]): string {
  const near = known.find((candidate) => distance(candidate, name) <= 2);
  const meant = near === undefined ? "" : ` Did you mean ${near}?`;
  return `There is no command "${name}".${meant} See: promote --help`;
}

function seeHelp(name: string): string {
  return `See: promote ${name} --help`;
}

/** How many letters have to be changed, added or left out. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] ?? 0) + (letter === b[j - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
