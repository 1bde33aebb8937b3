/** What a host script can be given: plain data. */
export type Argument =
  | null
  | undefined
  | boolean
  | number
  | string
  | Argument[]
  | { [key: string]: Argument };

/**
 * The argument of a host script as lines of `path.to.key<TAB>value`, which bash reads without
 * evaluating anything. Backslash, newline, tab and carriage return are escaped; a list also has
 * its `length`; what is null or undefined is left out.
 */
export function flatten(argument: Argument): string {
  const lines: string[] = [];
  walk("", argument, lines);
  return lines.map((line) => `${line}\n`).join("");
}

function walk(path: string, value: Argument, lines: string[]): void {
  if (value === null || value === undefined) return;
  if (Array.isArray(value)) {
    lines.push(`${join(path, "length")}\t${value.length}`);
    for (const [index, item] of value.entries()) walk(join(path, String(index)), item, lines);
    return;
  }
  if (typeof value === "object") {
    for (const [key, item] of Object.entries(value)) walk(join(path, key), item, lines);
    return;
  }
  lines.push(`${path}\t${escapeValue(String(value))}`);
}

function join(path: string, key: string): string {
  const safe = escapeValue(key);
  return path === "" ? safe : `${path}.${safe}`;
}

const SPECIAL = /[\\\n\t\r\0]/;

function escapeValue(text: string): string {
  // Nearly all values are paths, of which a closure has thousands.
  if (!SPECIAL.test(text)) return text;
  if (text.includes("\0")) throw new Error("a NUL character cannot be sent to a host");
  return text
    .replaceAll("\\", "\\\\")
    .replaceAll("\n", "\\n")
    .replaceAll("\t", "\\t")
    .replaceAll("\r", "\\r");
}
