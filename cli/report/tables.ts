import { type Html, html } from "./html.ts";

export interface Column {
  readonly title: string;
  readonly kind?: "number" | "bar";
}

export type Cell = Html | string | null;

/** A table with a caption; the first cell of a row is its heading. */
export function tableOf(
  caption: Cell,
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
): Html {
  const titles = columns.map(
    ({ title, kind }) => html`<th scope="col"${classOf(kind)}>${title}</th>`,
  );
  const lines = rows.map((cells) => {
    const [first = null, ...others] = cells;
    return html`<tr><th scope="row">${first}</th>${others.map((cell, index) => html`<td${classOf(columns[index + 1]?.kind)}>${cell}</td>`)}</tr>
`;
  });
  return html`<div class="wide"><table><caption>${caption}</caption><thead><tr>${titles}</tr></thead><tbody>
${lines}</tbody></table></div>`;
}

function classOf(kind: Column["kind"]): Html {
  return kind === undefined ? html`` : html` class="${kind}"`;
}

export interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly tone?: "ok" | "bad";
}

/** When something was within a longer time. The numbers beside it say the same, so it is hidden from screen readers. */
export function bar(stretches: readonly Stretch[], whole: number): Html {
  const at = (value: number) => `${Math.round((whole > 0 ? value / whole : 0) * 10000) / 100}%`;
  const drawn = stretches.map(
    ({ from, to, tone }) =>
      html`<rect class="fill${tone === undefined ? "" : `-${tone}`}" x="${at(from)}" y="15%" width="${at(Math.max(to - from, whole / 150))}" height="70%" rx="2"/>`,
  );
  return html`<svg aria-hidden="true" focusable="false"><rect class="track" width="100%" y="40%" height="20%" rx="2"/>${drawn}</svg>`;
}
