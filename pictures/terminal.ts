/** A line of a terminal as pieces of one style. */
interface Piece {
  readonly text: string;
  readonly classes: string;
}

const CLASSES: Readonly<Record<string, string>> = {
  "1": "bold",
  "2": "dim",
  "31": "red",
  "32": "green",
  "33": "yellow",
  "34": "blue",
  "35": "magenta",
  "36": "cyan",
  "38;5;1": "red",
  "38;5;2": "green",
  "38;5;3": "yellow",
  "38;5;4": "blue",
  "38;5;5": "magenta",
  "38;5;6": "cyan",
  "38;5;8": "dim",
  "90": "dim",
  "91": "red",
  "92": "green",
  "93": "yellow",
};

export const ESCAPE = "\u001b";
const COMMANDS = new RegExp(`(${ESCAPE}\\[[0-9;?]*[A-Za-z])`, "u");

const [WIDTH, HEIGHT, PADDING] = [8.4, 19, 16];

const STYLE = `
.ground { fill: #15181c; stroke: #3a4148; }
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", "DejaVu Sans Mono", monospace; fill: #dfe4e9; white-space: pre; }
.bold { font-weight: 700; } .dim { fill: #98a2ac; } .red { fill: #ff8b82; } .green { fill: #7fd6a0; }
.yellow { fill: #ecc06c; } .blue { fill: #86bdf3; } .magenta { fill: #d7a6f0; } .cyan { fill: #74d0d8; }`;

/** What a terminal shows as an SVG whose text is text; each piece keeps its columns, whatever font a reader has. */
export function pictureOf(shown: string, columns: number, title: string): string {
  const lines = shown.replaceAll("\r", "").trimEnd().split("\n").map(piecesOf);
  const width = Math.ceil(columns * WIDTH + 2 * PADDING);
  const height = lines.length * HEIGHT + 2 * PADDING;
  const drawn = lines.map((line, index) => draw(line, PADDING + (index + 0.75) * HEIGHT));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}"><style>${STYLE}</style><rect class="ground" x=".5" y=".5" width="${width - 1}" height="${height - 1}" rx="8"/>
${drawn.filter((line) => line !== "").join("\n")}
</svg>
`;
}

function draw(pieces: readonly Piece[], y: number): string {
  let column = 0;
  const spans = pieces.map(({ text, classes }) => {
    const at = column;
    column += [...text].length;
    if (text.trim() === "") return "";
    const style = classes === "" ? "" : ` class="${classes}"`;
    return `<tspan x="${round(PADDING + at * WIDTH)}" textLength="${round([...text].length * WIDTH)}"${style}>${escaped(text)}</tspan>`;
  });
  const drawn = spans.join("");
  return drawn === "" ? "" : `<text xml:space="preserve" y="${round(y)}">${drawn}</text>`;
}

/** Only what sets colours is understood; the rest of what commands a terminal is left out. */
function piecesOf(line: string): Piece[] {
  const pieces: Piece[] = [];
  let classes: string[] = [];
  for (const part of line.split(COMMANDS)) {
    if (!part.startsWith("\u001b[")) {
      if (part !== "") pieces.push({ text: part, classes: classes.join(" ") });
    } else if (part.endsWith("m")) {
      const code = part.slice(2, -1);
      const style = CLASSES[code];
      if (code === "" || code === "0") classes = [];
      else if (style !== undefined) classes = [...classes, style];
    }
  }
  return pieces;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
