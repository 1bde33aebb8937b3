// Draws where Node processes spend their processor time, by the package or file whose code began it.
// usage: flame.ts OUT.svg TITLE FILE.cpuprofile [TITLE FILE.cpuprofile]...
import { readFileSync, writeFileSync } from "node:fs";
import { z } from "zod";

const cpuProfile = z.object({
  nodes: z.array(
    z.object({
      id: z.number(),
      callFrame: z.object({ functionName: z.string(), url: z.string() }),
      children: z.array(z.number()).optional(),
    }),
  ),
  samples: z.array(z.number()),
  timeDeltas: z.array(z.number()),
});
type Profile = z.infer<typeof cpuProfile>;

interface Bar {
  readonly name: string;
  milliseconds: number;
  readonly children: Map<string, Bar>;
}

const [WIDTH, ROW, LEAST, DEEPEST] = [1000, 15, 3, 9];

const [out = "flame.svg", ...rest] = process.argv.slice(2);
const panels = rest.flatMap((title, index) => {
  const file = rest[index + 1];
  if (index % 2 === 1 || file === undefined) return [];
  return [{ title, top: bars(cpuProfile.parse(JSON.parse(readFileSync(file, "utf8")))) }];
});
writeFileSync(out, draw());

/** Idle time is left out; what Node itself does belongs to whoever asked for it. */
function bars({ nodes, samples, timeDeltas }: Profile): Bar {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const spent = new Map<number, number>();
  for (const [index, id] of samples.entries())
    spent.set(id, (spent.get(id) ?? 0) + (timeDeltas[index] ?? 0) / 1000);
  const top: Bar = { name: "process", milliseconds: 0, children: new Map() };
  const walk = (id: number, above: readonly Bar[]) => {
    const node = byId.get(id);
    if (node === undefined || node.callFrame.functionName === "(idle)") return;
    const within = above.at(-1) ?? top;
    const name = nameOf(node.callFrame);
    let path = above;
    if (name !== undefined && name !== within.name) {
      const bar = within.children.get(name) ?? { name, milliseconds: 0, children: new Map() };
      within.children.set(name, bar);
      path = [...above, bar];
    }
    for (const bar of path) bar.milliseconds += spent.get(id) ?? 0;
    for (const child of node.children ?? []) walk(child, path);
  };
  const [first] = nodes;
  if (first !== undefined) walk(first.id, [top]);
  return top;
}

function nameOf({ functionName, url }: Profile["nodes"][number]["callFrame"]): string | undefined {
  if (functionName === "(garbage collector)") return "garbage collector";
  if (url === "" || url.startsWith("node:") || url.startsWith("evalmachine")) return undefined;
  const [, packageName, file = ""] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\/(.*)/.exec(url) ?? [];
  if (packageName === "@pulumi/pulumi") return `${packageName}/${file.replace(/\/[^/]*$/, "")}`;
  return packageName ?? /[^/]+\/[^/]+$/.exec(url)?.[0];
}

function draw(): string {
  const scale = WIDTH / Math.max(...panels.map(({ top }) => top.milliseconds));
  const lines: string[] = [];
  let y = 10;
  for (const { title, top } of panels) {
    const took = `${title}: ${top.milliseconds.toFixed(0)} ms of processor time`;
    lines.push(`<text y="${y + 11}" class="title">${escaped(took)}</text>`);
    y += 18;
    let rows = 0;
    const put = (bar: Bar, x: number, depth: number) => {
      const width = bar.milliseconds * scale;
      if (width < LEAST || depth > DEEPEST) return;
      rows = Math.max(rows, depth + 1);
      lines.push(rectangle(bar, { x, y: y + depth * ROW, width, depth }));
      let left = x;
      for (const child of [...bar.children.values()].sort(
        (a, b) => b.milliseconds - a.milliseconds,
      )) {
        put(child, left, depth + 1);
        left += child.milliseconds * scale;
      }
    };
    put(top, 0, 0);
    y += rows * ROW + 12;
  }
  const style = "<style>.title{font-size:12px;font-weight:bold}</style>";
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" font-family="monospace" font-size="10">${style}` +
    `<rect width="${WIDTH}" height="${y}" fill="#fff"/>\n${lines.join("\n")}\n</svg>\n`
  );
}

function rectangle(
  { name, milliseconds }: Bar,
  at: { x: number; y: number; width: number; depth: number },
): string {
  const room = Math.floor(at.width / 6.1);
  const label = room < 5 ? "" : name.length > room ? `${name.slice(0, room - 1)}…` : name;
  const text = `<text x="${(at.x + 2).toFixed(1)}" y="${at.y + 11}">${escaped(label)}</text>`;
  return (
    `<g><title>${escaped(name)} ${milliseconds.toFixed(0)} ms</title>` +
    `<rect x="${at.x.toFixed(1)}" y="${at.y}" width="${(at.width - 0.5).toFixed(1)}" height="${ROW - 1}" fill="hsl(${hueOf(name)} 60% ${82 - (at.depth % 3) * 5}%)"/>` +
    `${label === "" ? "" : text}</g>`
  );
}

function hueOf(name: string): number {
  if (name === "garbage collector") return 0;
  if (name.startsWith("@")) return 30;
  return name.endsWith(".ts") ? 120 : 55;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
