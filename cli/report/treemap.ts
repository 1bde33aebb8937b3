import { bytesText } from "../../providers/nixos/plan/text.ts";
import { shorten } from "../text.ts";
import type { Part } from "./document.ts";
import { versions } from "./facts.ts";
import { type Html, html } from "./html.ts";
import { type Area, squarify } from "./squarify.ts";

const SHOWN = 48;

/** Laid out once for a page and once for a phone: what is drawn fills the width that there is, and its text keeps its size. */
const LAYOUTS = [
  { name: "broad", width: 1000, height: 400 },
  { name: "narrow", width: 280, height: 440 },
] as const;

interface Cell {
  readonly label: string;
  readonly title: string;
  readonly bytes: number;
  readonly state: Part["state"];
}

/** The sizes of packages as areas. `about` says the same in words. */
export function treemap(parts: readonly Part[], id: string, about: string): Html {
  const cells = cellsOf(parts);
  return html`${LAYOUTS.map(({ name, width, height }) => {
    const areas = squarify(
      cells.map(({ bytes }) => bytes),
      { x: 0, y: 0, width, height },
    );
    const drawn = cells.map((cell, index) => draw(cell, areas[index], width));
    return html`<svg class="treemap ${name}" role="img" aria-labelledby="${id}-${name}" height="${height}" width="100%"><title id="${id}-${name}">${about}</title>${drawn}</svg>`;
  })}`;
}

function cellsOf(parts: readonly Part[]): Cell[] {
  const sized = parts.filter(({ bytes }) => bytes > 0);
  const shown = sized.slice(0, SHOWN).map(
    ({ name, versions: of, bytes, state }): Cell => ({
      ...{ label: name, bytes, state },
      title: `${name} ${versions(of)}, ${bytesText(bytes)}, ${state}`,
    }),
  );
  const rest = sized.slice(SHOWN);
  const bytes = rest.reduce((sum, part) => sum + part.bytes, 0);
  const label = `${rest.length} smaller`;
  const more: Cell[] =
    rest.length === 0
      ? []
      : [{ label, title: `${label} ones, ${bytesText(bytes)}`, bytes, state: "same" }];
  return [...shown, ...more].sort((a, b) => b.bytes - a.bytes);
}

const LETTER = 7.6;

function draw({ label, title, bytes, state }: Cell, area: Area | undefined, width: number): Html {
  if (area === undefined) return html``;
  const letters = Math.floor((area.width - 14) / LETTER);
  const named = letters >= 4 && area.height >= 24;
  const sized = named && area.height >= 44 && letters >= 8;
  return html`<svg x="${percent(area.x, width)}" y="${round(area.y)}" width="${percent(area.width, width)}" height="${round(area.height)}"><title>${title}</title><rect class="${state}" width="100%" height="100%"/>${named && html`<text x="8" y="19">${shorten(label, letters)}</text>`}${sized && html`<text class="size" x="8" y="36">${bytesText(bytes)}</text>`}</svg>`;
}

function percent(value: number, of: number): string {
  return `${round((value / of) * 100)}%`;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
