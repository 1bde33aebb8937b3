import type { Output, Style } from "./output.ts";
import { pad, shorten, widthOf } from "./text.ts";

export interface Column {
  readonly title: string;
  /** Gives way first where the terminal is narrow. */
  readonly flexible?: true;
}

export interface Cell {
  readonly text: string;
  readonly style?: Style;
}

const GAP = "  ";
const NARROWEST = 12;

/** Rows of cells below their titles, no wider than the terminal as long as the flexible column can give way. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  output: Pick<Output, "width" | "paint">,
): string[] {
  const widths = widthsOf(columns, rows, output.width);
  const lineOf = (cells: readonly Cell[]) =>
    cells
      .map(({ text, style }, index) => {
        const width = widths[index] ?? 0;
        const cut = shorten(text, width);
        const space = index === cells.length - 1 ? "" : pad(cut, width).slice(cut.length);
        return (style === undefined ? cut : output.paint(cut, style)) + space;
      })
      .join(GAP)
      .trimEnd();
  const titles = columns.map(({ title }): Cell => ({ text: title, style: "dim" }));
  return [lineOf(titles), ...rows.map(lineOf)];
}

function widthsOf(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  available: number,
): number[] {
  const widths = columns.map(({ title }, index) =>
    Math.max(widthOf(title), ...rows.map((cells) => widthOf(cells[index]?.text ?? ""))),
  );
  const total = widths.reduce((sum, width) => sum + width, 0) + GAP.length * (columns.length - 1);
  const flexible = columns.findIndex((column) => column.flexible);
  const own = widths[flexible];
  if (own !== undefined && total > available)
    widths[flexible] = Math.max(Math.min(own, NARROWEST), own - (total - available));
  return widths;
}
