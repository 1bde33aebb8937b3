import { type Margins, shorten, wrap } from "./text.ts";

const STYLES = {
  bold: "1",
  dim: "2",
  red: "31",
  green: "32",
  yellow: "33",
  cyan: "36",
} as const;
export type Style = keyof typeof STYLES;

interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Without a terminal nothing is cut and nothing is wrapped: a program or a log reads it. */
const UNBOUNDED = 100_000;

/**
 * Where a command speaks: to people on stdout, or with `--json` on stderr, and then one JSON document on stdout. So with
 * `--markdown`, and a document in that.
 * Progress is for a terminal only, and leaves nothing behind.
 */
export class Output {
  readonly json: boolean;
  /** Stdout is for a document: what is for people goes to stderr. */
  readonly aside: boolean;
  readonly width: number;
  readonly #out: Stream;
  readonly #progress: Stream;
  readonly #colour: boolean;
  #showsProgress = false;

  constructor({
    json = false,
    aside = false,
    stdout = process.stdout as Stream,
    stderr = process.stderr as Stream,
    env = process.env,
  } = {}) {
    this.json = json;
    this.aside = json || aside;
    this.#out = this.aside ? stderr : stdout;
    this.#progress = stderr;
    const dumb = Boolean(env.NO_COLOR) || env.TERM === "dumb";
    this.#colour = this.#out.isTTY === true && !dumb;
    this.width = widthOfStream(this.#out) ?? (Number(env.COLUMNS) || UNBOUNDED);
    this.document = (value) => {
      if (json) stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
    };
  }

  /** Is somebody looking at what is said, as it comes? */
  get live(): boolean {
    return this.#out.isTTY === true;
  }

  get colour(): boolean {
    return this.#colour;
  }

  /** The answer for a program, once: only with `--json`. */
  readonly document: (value: unknown) => void;

  line(text = ""): void {
    this.endProgress();
    this.#out.write(`${text}\n`);
  }

  /** A text for people, wrapped. */
  say(text: string, margins: Margins = {}): void {
    this.line(wrap(text, this.width, margins));
  }

  wrap(text: string, margins: Margins = {}): string[] {
    return wrap(text, this.width, margins).split("\n");
  }

  heading(text: string): void {
    this.line(this.paint(`== ${text}`, "bold"));
  }

  paint(text: string, ...styles: readonly Style[]): string {
    if (!this.#colour || styles.length === 0) return text;
    return `\x1b[${styles.map((style) => STYLES[style]).join(";")}m${text}\x1b[0m`;
  }

  /** What is going on, in one line that the next one overwrites. */
  progress(text: string): void {
    if (this.#progress.isTTY !== true) return;
    const width = (widthOfStream(this.#progress) ?? 80) - 1;
    this.#progress.write(`\r\x1b[2K${shorten(text, width)}`);
    this.#showsProgress = true;
  }

  endProgress(): void {
    if (this.#showsProgress) this.#progress.write("\r\x1b[2K");
    this.#showsProgress = false;
  }

  failure(message: string, code: number, details: object = {}): void {
    this.endProgress();
    const stream = this.#progress;
    const width = widthOfStream(stream) ?? UNBOUNDED;
    stream.write(`${wrap(`${this.paint("promote:", "red")} ${message}`, width)}\n`);
    this.document({ error: { message, exitCode: code }, ...details });
  }
}

/** Of a terminal; one that does not know how wide it is says 0. */
function widthOfStream({ isTTY, columns }: Stream): number | undefined {
  return isTTY === true ? columns || 80 : undefined;
}
