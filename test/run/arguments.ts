import { parseArgs } from "node:util";
import { ROOM_NAMES, ROOMS, type Room, USUAL_ROOMS } from "./rooms.ts";

export interface Arguments {
  readonly rooms: readonly string[];
  readonly grep?: string | undefined;
  readonly list: boolean;
  readonly help: boolean;
}

export class UsageError extends Error {}

export const HELP = `usage: npm test [-- OPTION...]

  --only ROOM,ROOM   run these rooms (default: all), in the order below
  --grep PATTERN     run the tests whose full title matches this regular expression
  --list             name the tests and run none
  --help

Rooms:
  static         types, format, lint, shellcheck, hygiene of the source
${ROOMS.map(describeRoom).join("\n")}

The last line says what came of it. Exit code: 0 if tests passed and none failed, 1 if any failed or none ran,
2 wrong usage, 130 or 143 if interrupted. Without root there is: npm run check`;

function describeRoom({ name, about, needsLab, needsBrowser, workers, onDemand }: Room): string {
  const side = workers === undefined ? "" : `; ${workers} processes side by side, each with a lab`;
  const when = onDemand ? "; only when it is named" : "";
  return `  ${name.padEnd(14)} ${about}${needsLab ? " (needs root and Debian: the lab)" : ""}${needsBrowser ? " (needs Chromium)" : ""}${side}${when}`;
}

export function parse(argv: readonly string[]): Arguments {
  const { only, grep, list, help } = valuesOf(argv);
  const rooms = only?.split(",").map((name) => name.trim()) ?? USUAL_ROOMS;
  const unknown = rooms.find((name) => !ROOM_NAMES.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`There is no room "${unknown}". The rooms are: ${ROOM_NAMES.join(", ")}.`);
  }
  return { rooms, grep: validPattern(grep), list: list === true, help: help === true };
}

function valuesOf(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        only: { type: "string" },
        grep: { type: "string" },
        list: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function validPattern(grep: string | undefined): string | undefined {
  try {
    if (grep !== undefined) new RegExp(grep);
    return grep;
  } catch (error) {
    throw new UsageError(`--grep: ${(error as Error).message}`);
  }
}
