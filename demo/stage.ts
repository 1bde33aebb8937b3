interface Row {
  readonly step: string;
  readonly seconds: number;
  readonly outcome: string;
}

/** Where the demo is told: headings, commands, what they print, and the table at the end. */
export class Stage {
  private readonly quiet: boolean;
  private readonly rows: Row[] = [];
  private readonly colour = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;

  constructor(quiet: boolean) {
    this.quiet = quiet;
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

  /** What a program prints, as it comes. */
  readonly output = (text: string): void => {
    if (this.quiet) return;
    process.stdout.write(text.replace(/^(?=.)/gm, "   "));
  };

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
