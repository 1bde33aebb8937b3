// Small SVG plots, made of text: no library, the same bytes for the same figures.

export interface Bars {
  readonly title: string;
  readonly bars: readonly {
    readonly group: string;
    readonly name: string;
    readonly value: number;
  }[];
}

export interface Curves {
  readonly title: string;
  /** What the axes count. */
  readonly x: string;
  readonly y: string;
  readonly curves: readonly {
    readonly name: string;
    readonly points: readonly (readonly [number, number])[];
  }[];
}

const WIDTH = 640;
const COLOURS = ["#2f6fb3", "#d97a1d", "#4a9a4a", "#a34fb0", "#b03a3a", "#777777"];

/** Horizontal bars, by group; the value stands at the end of each. */
export function barChart({ title, bars }: Bars): string {
  const most = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
  const names = [...new Set(bars.map(({ name }) => name))];
  const [left, row, gap] = [250, 16, 12];
  let y = 34;
  const parts: string[] = [];
  let group: string | undefined;
  for (const bar of bars) {
    if (bar.group !== group) y += group === undefined ? 0 : gap;
    if (bar.group !== group) parts.push(text(8, y + 12, bar.group, "start", "bold"));
    group = bar.group;
    const width = (bar.value / most) * (WIDTH - left - 60);
    const colour = COLOURS[names.indexOf(bar.name) % COLOURS.length];
    parts.push(text(left - 6, y + 12, bar.name, "end"));
    parts.push(
      `<rect x="${left}" y="${y + 2}" width="${number(width)}" height="${row - 4}" fill="${colour}"/>`,
    );
    parts.push(text(left + width + 5, y + 12, number(bar.value), "start"));
    y += row;
  }
  return svg(title, y + 10, parts);
}

/** Lines over logarithmic x and y, so that a straight one of slope one is what grows in proportion. */
export function lineChart({ title, x, y, curves }: Curves): string {
  const [left, top, right, bottom] = [60, 40, WIDTH - 150, 300];
  const points = curves.flatMap((curve) => curve.points);
  const xs = rangeOf(points.map(([value]) => value));
  const ys = rangeOf(points.map(([, value]) => value));
  const at = ([px, py]: readonly [number, number]) =>
    [left + share(px, xs) * (right - left), bottom - share(py, ys) * (bottom - top)] as const;
  const parts = [
    `<rect x="${left}" y="${top}" width="${right - left}" height="${bottom - top}" fill="none" stroke="#999"/>`,
    text((left + right) / 2, bottom + 34, x, "middle"),
    text(left, top - 8, y, "start"),
    ...ticks(xs).map((value) => text(at([value, ys[0]])[0], bottom + 16, number(value), "middle")),
    ...ticks(ys).map((value) => text(left - 6, at([xs[0], value])[1] + 4, number(value), "end")),
  ];
  for (const [i, curve] of curves.entries()) {
    const colour = COLOURS[i % COLOURS.length];
    const places = curve.points.map(at);
    const path = places.map(([px, py]) => `${number(px)},${number(py)}`).join(" ");
    parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    for (const [px, py] of places)
      parts.push(`<circle cx="${number(px)}" cy="${number(py)}" r="3" fill="${colour}"/>`);
    const [ex, ey] = places.at(-1) ?? [right, top];
    parts.push(text(ex + 8, ey + 4, curve.name, "start"));
  }
  return svg(title, bottom + 46, parts);
}

type Range = readonly [number, number];

/** Whole powers of ten around all values. */
function rangeOf(values: readonly number[]): Range {
  const found = values.filter((value) => value > 0);
  const [low, high] = [Math.min(...found), Math.max(...found)].map(Math.log10) as [number, number];
  if (!Number.isFinite(low)) return [1, 10];
  return [10 ** Math.floor(low), 10 ** Math.max(Math.ceil(high), Math.floor(low) + 1)];
}

function share(value: number, [low, high]: Range): number {
  const of = Math.log10(Math.max(value, low)) - Math.log10(low);
  return of / (Math.log10(high) - Math.log10(low));
}

function ticks([low, high]: Range): number[] {
  const count = Math.round(Math.log10(high / low));
  return Array.from({ length: count + 1 }, (_, i) => low * 10 ** i);
}

function svg(title: string, height: number, parts: readonly string[]): string {
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="11">`;
  const ground = `<rect width="${WIDTH}" height="${height}" fill="white"/>`;
  return `${[head, ground, text(8, 18, title, "start", "bold"), ...parts].join("\n")}\n</svg>\n`;
}

function text(x: number, y: number, said: string, anchor: string, weight = "normal"): string {
  const safe = said.replace(/[&<>]/g, (letter) => `&#${letter.charCodeAt(0)};`);
  return `<text x="${number(x)}" y="${number(y)}" text-anchor="${anchor}" font-weight="${weight}">${safe}</text>`;
}

/** Two places at most. */
function number(value: number): string {
  return String(Number(value.toFixed(2)));
}
