import { stripVTControlCharacters } from "node:util";

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]|[\u{1f000}-\u{1faff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\p{Emoji}\ufe0f/u;
const NO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}]+$/u;
let segmenter: Intl.Segmenter | undefined;

/** Text that came from elsewhere, such as the subject of a commit, in one line that cannot command a terminal. */
export function plain(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "")
    .replace(/[\p{Cc}\u2028\u2029]+/gu, " ");
}

/** Columns that a terminal needs for a text without escapes. */
export function widthOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  return graphemes(text).reduce((sum, grapheme) => sum + widthOfOne(grapheme), 0);
}

/** At most so many columns; what is left out is an ellipsis. */
export function shorten(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let kept = "";
  let used = 0;
  for (const grapheme of graphemes(text)) {
    used += widthOfOne(grapheme);
    if (used > width - 1) break;
    kept += grapheme;
  }
  return `${kept.trimEnd()}…`;
}

export function pad(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - widthOf(text)));
}

export interface Margins {
  /** Before the first line of each paragraph. */
  readonly indent?: string;
  /** Before the others. Default: the same. */
  readonly hanging?: string;
}

/** Lines of at most so many columns, broken at blanks only: what is longer, such as a path, stays whole to be copied. */
export function wrap(text: string, width: number, margins: Margins = {}): string {
  const { indent = "", hanging = indent } = margins;
  const lines = text.split("\n").map((line) => wrapLine(line, width, indent, hanging));
  return lines.join("\n");
}

function wrapLine(text: string, width: number, indent: string, hanging: string): string {
  const lines: string[] = [];
  let line = indent;
  let empty = true;
  for (const word of text.split(" ")) {
    if (!empty && widthOf(line) + 1 + widthOf(word) > width) {
      lines.push(line);
      line = hanging;
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  return [...lines, line].join("\n").trimEnd();
}

/** `3 d` of seconds: enough to see at a glance whether it is old. */
export function age(seconds: number): string {
  const units: [number, string][] = [
    [86400, "d"],
    [3600, "h"],
    [60, "min"],
  ];
  const [size, name] = units.find(([size]) => seconds >= size) ?? [1, "s"];
  return `${Math.max(0, Math.floor(seconds / size))} ${name}`;
}

function graphemes(text: string): string[] {
  segmenter ??= new Intl.Segmenter(undefined, { granularity: "grapheme" });
  return [...segmenter.segment(text)].map(({ segment }) => segment);
}

function widthOfOne(grapheme: string): number {
  if (NO_WIDTH.test(grapheme)) return 0;
  return WIDE.test(grapheme) ? 2 : 1;
}
