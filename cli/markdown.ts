import { plain } from "./text.ts";

/*
 * Markdown as GitHub renders it. Text of hosts and commits is never markup: no link, no mention, no HTML comes out of it.
 */

/** What GitHub takes as one comment; a character may have several bytes, and it counts both. */
const COMMENT_BYTES = 65_536;
/** For the sentence that something was left out, and for what a workflow puts around it. */
const SPARE_BYTES = 1_536;

/** Text, whatever is in it. */
export function text(given: string): string {
  return (
    plain(given)
      .replaceAll("&", "&amp;")
      .replaceAll("<", "&lt;")
      .replaceAll(">", "&gt;")
      .replace(/[\\`*_{}[\]()#+\-.!|~^$=]/g, "\\$&")
      // GitHub looks for people, issues and addresses in what was rendered, so no escape would keep it from them.
      .replace(/[@#]/g, "$&&#8203;")
      .replace(/\b(https?|ftp|www)(?=[:\\])/gi, "$1&#8203;")
  );
}

/** Text as it is typed: a name, a path. In a table, a bar would end the cell even there. */
export function code(given: string): string {
  const said = plain(given).replaceAll("`", "'").replaceAll("|", "\u00a6");
  return `\`${said === "" ? " " : said}\``;
}

export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(titles), line(titles.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Closed until somebody opens it; nothing if there is nothing in it. */
export function details(title: string, body: string, count: number): string {
  return count === 0 ? "" : `<details><summary>${title}</summary>\n\n${body}\n\n</details>`;
}

/** Lines of a log. */
export function fenced(given: string): string {
  const longest = Math.max(0, ...(given.match(/`+/g) ?? []).map(({ length }) => length));
  const fence = "`".repeat(Math.max(3, longest + 1));
  return `${fence}text\n${given.split("\n").map(plain).join("\n")}\n${fence}`;
}

/** The parts, as many rows of their tables as a comment has room for. */
export function fitted(parts: readonly string[], limit = COMMENT_BYTES): string {
  const room = limit - SPARE_BYTES;
  let left = room;
  const kept = parts.map((part, index) => {
    const last = index === parts.length - 1;
    const reserve = last ? 0 : Buffer.byteLength(parts.at(-1) ?? "") + 2;
    const short = shortened(part, left - reserve);
    left -= Buffer.byteLength(short) + 2;
    return short;
  });
  return `${kept.filter((part) => part !== "").join("\n\n")}\n`;
}

/** Whole lines from the beginning, and the lines that close what is open. */
function shortened(part: string, room: number): string {
  if (Buffer.byteLength(part) <= room) return part;
  const lines = part.split("\n");
  const closing = lines.at(-1) === "</details>" ? ["", "</details>"] : [];
  const fence = /^`{3,}/.exec(lines.find((line) => /^`{3,}text$/.test(line)) ?? "")?.[0];
  const kept: string[] = [];
  let bytes = 160;
  for (const line of lines) {
    bytes += Buffer.byteLength(line) + 1;
    if (bytes > room) break;
    kept.push(line);
  }
  if (kept.length < 3) return "";
  const end = fence !== undefined && kept.some((line) => line === `${fence}text`) ? [fence] : [];
  const left = lines.length - kept.length;
  return [...kept, ...end, "", `*${left} more lines did not fit into a comment.*`, ...closing].join(
    "\n",
  );
}
