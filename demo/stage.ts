interface Row {
  readonly step: string;
  readonly seconds: number;
  readonly outcome: string;
}

/** How much of Pulumi's output is shown. */
export type Loudness = "quiet" | "telling" | "verbose";

/** Where the demo is told: headings, commands, what they print, and the table at the end. */
export class Stage {
  private readonly loudness: Loudness;
  private readonly rows: Row[] = [];
  private readonly colour = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;

  constructor(loudness: Loudness) {
    this.loudness = loudness;
  }

  heading(text: string): void {
    console.log(`\n${this.paint("1;36", `== ${text}`)}`);
  }

  say(text: string): void {
    console.log(text);
  }

  readonly note = (text: string): void => console.log(this.paint("2", `   ${text}`));

  command(text: string): void {
    console.log(this.paint("1", ` $ ${text}`));
  }

  /** For what one run of Pulumi prints, as it comes. */
  output(): (text: string) => void {
    const tells = this.loudness === "verbose" ? () => true : telling();
    let rest = "";
    return (text) => {
      if (this.loudness === "quiet") return;
      const lines = `${rest}${text}`.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines.filter(tells)) console.log(`   ${line}`);
    };
  }

  async timed<T>(
    step: string,
    work: () => Promise<T>,
    outcome?: (result: T) => string,
  ): Promise<T> {
    const started = performance.now();
    const result = await work();
    const seconds = (performance.now() - started) / 1000;
    this.rows.push({ step, seconds, outcome: outcome?.(result) ?? "done" });
    return result;
  }

  /** What the story claims has to be so, or the demo fails. */
  check(claim: string, holds: boolean, seen: string): void {
    if (!holds) throw new Error(`It should be so that ${claim}, but: ${seen}`);
    console.log(` ${this.paint("32", "✓")} ${claim}`);
  }

  failed(message: string): void {
    console.error(this.paint("1;31", `\nThe demo stopped: ${message}`));
  }

  table(): void {
    this.heading("What happened");
    const width = Math.max(...this.rows.map(({ step }) => step.length));
    for (const { step, seconds, outcome } of this.rows)
      console.log(` ${step.padEnd(width)}  ${seconds.toFixed(1).padStart(6)} s  ${outcome}`);
    const total = this.rows.reduce((sum, { seconds }) => sum + seconds, 0);
    console.log(` ${"in all".padEnd(width)}  ${total.toFixed(1).padStart(6)} s`);
  }

  private paint(style: string, text: string): string {
    return this.colour ? `\x1b[${style}m${text}\x1b[0m` : text;
  }
}

/** Leaves out what repeats: the tree of components, the refresh of what is as it was, all outputs. */
function telling(): (line: string) => boolean {
  let inOutputs = false;
  return (line) => {
    if (/^\S/.test(line)) inOutputs = line.startsWith("Outputs:");
    if (inOutputs || line.trim() === "" || line.startsWith("@ ")) return false;
    return !/^ *[~+]* +(pulumi:pulumi|choiros:index):|refresh(ing)? ?$| refresh \(/.test(line);
  };
}
