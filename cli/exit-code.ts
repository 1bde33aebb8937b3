/** What the exit code of every command means: docs/commands.md has the table. */
export const EXIT = {
  /** Done, or there was nothing to do. */
  done: 0,
  /** It failed and was rolled back, or was refused. */
  failed: 1,
  /** The command or the settings are wrong. Nothing was touched. */
  usage: 2,
  /** Something drifts or is not healthy. */
  unhealthy: 3,
  /** A host does not answer, so what it runs is not known. */
  unknown: 4,
  /** Nobody has answered the question with yes. Nothing was done after it. */
  unanswered: 5,
  /** `status --expect-clean`: something is not as it was promoted. */
  unclean: 6,
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An end that says by itself what happened and what to do. */
export class Stop extends Error {
  readonly code: ExitCode;
  /** What a program is told beside it. */
  readonly details: object;
  constructor(code: ExitCode, message: string, details: object = {}) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

export class UsageError extends Stop {
  constructor(message: string) {
    super(EXIT.usage, message);
  }
}

/** The worse of two: what is not known may be worse than what is known to be ill. */
export function worse(one: ExitCode, other: ExitCode): ExitCode {
  return one > other ? one : other;
}
