/** What a check has found: a `fail` stops a promotion, a `warn` does not. */
export interface Finding {
  readonly state: "ok" | "warn" | "fail";
  /** A stack, or the machine that we are on. */
  readonly where: string;
  readonly about: string;
  readonly says: string;
  readonly fix?: string;
}

/** The findings of one place. */
export class Findings {
  readonly list: Finding[] = [];
  readonly #where: string;

  constructor(where: string) {
    this.#where = where;
  }

  ok(about: string, says: string): this {
    this.list.push({ state: "ok", where: this.#where, about, says });
    return this;
  }

  warn(about: string, says: string, fix: string): this {
    this.list.push({ state: "warn", where: this.#where, about, says, fix });
    return this;
  }

  fail(about: string, says: string, fix: string): this {
    this.list.push({ state: "fail", where: this.#where, about, says, fix });
    return this;
  }
}
