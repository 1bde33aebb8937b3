/** What went wrong, told apart where an operator would do something different. */
export type FailureKind =
  /** ssh could not find or reach the machine. */
  | "unreachable"
  /** The machine answered, but takes none of our keys. */
  | "auth"
  /** The machine is not the one that was pinned. */
  | "host-key"
  /** No answer in time: the outcome is unknown and the host has to be asked. */
  | "timeout"
  /** The connection ended while a command ran: the outcome is unknown and the host has to be asked. */
  | "lost"
  /** Our script broke on the host. */
  | "script"
  /** The host or the builder said no, in words of its own. */
  | "refused";

/** A sentence of what happened, and one of what to do. */
export class Failure extends Error {
  readonly kind: FailureKind;
  /** Machine-readable reason of a `refused`, such as `unknown-revision`. */
  readonly code: string | undefined;
  /** What a program may want to know of a `refused`, such as who keeps the host busy. */
  readonly details: unknown;

  constructor(
    kind: FailureKind,
    message: string,
    options: { code?: string; details?: unknown; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "Failure";
    this.kind = kind;
    this.code = options.code;
    this.details = options.details;
  }
}

const CLOSED: readonly FailureKind[] = ["unreachable", "auth", "host-key"];

/** There is no way in: nothing was asked of the host. */
export function isClosed(error: unknown): error is Failure {
  return error instanceof Failure && CLOSED.includes(error.kind);
}

/** The same refusal, with the setting in front that its code belongs to, if there is one. */
export function namingSetting(settings: Readonly<Record<string, string>>, error: unknown): unknown {
  const setting =
    error instanceof Failure && error.code !== undefined ? settings[error.code] : undefined;
  return setting === undefined ? error : inContext(`[${setting}]`, error);
}

/** The same failure, with the setting or resource that it belongs to in front. */
export function inContext(context: string, error: unknown): Error {
  if (error instanceof Failure) {
    const code = error.code === undefined ? {} : { code: error.code };
    const { details } = error;
    return new Failure(error.kind, `${context} ${error.message}`, {
      ...code,
      details,
      cause: error,
    });
  }
  return error instanceof Error ? error : new Error(String(error));
}
