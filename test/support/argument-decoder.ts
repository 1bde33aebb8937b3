const ESCAPES: Record<string, string> = { "\\\\": "\\", "\\n": "\n", "\\t": "\t", "\\r": "\r" };

/** Lines of `key<TAB>value` as a host reads them: the reference for the executors' encoder. */
export function decodeLines(lines: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of lines.split("\n").slice(0, -1)) {
    const tab = line.indexOf("\t");
    values.set(plain(line.slice(0, tab)), plain(line.slice(tab + 1)));
  }
  return values;
}

function plain(text: string): string {
  return text.replace(/\\[\\ntr]/g, (pair) => ESCAPES[pair] ?? "");
}
