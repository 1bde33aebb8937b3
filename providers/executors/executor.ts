import { z } from "zod";
import type { Way } from "../../contract/connection.ts";
import { Failure } from "../errors.ts";
import { type Argument, flatten } from "./argument.ts";
import { type Command, scriptOf } from "./script.ts";

export interface RunOptions {
  /** Seconds until the call is given up; what runs on the host may go on. Default: 30. */
  readonly timeoutSeconds?: number;
  /** Use a connection that nothing else has used. Default: false. */
  readonly fresh?: boolean;
  /** Give it up when we are ended: for what only reads. Default: false. */
  readonly endsWithUs?: boolean;
}

/** A way to run our scripts on one host. It says nothing about what the scripts do. */
export interface Executor {
  /** What messages call the host. */
  readonly host: string;
  /** Of the connection, for the records of the host. */
  readonly kind: Way["kind"];
  /** Runs a bash script as root, with `input` on its stdin after the script; answers its stdout. */
  run(
    script: string,
    input: string,
    options: RunOptions & { timeoutSeconds: number; fresh: boolean },
  ): Promise<string>;
  /** Ends what only reads, where that takes a call; what changes the host goes on. */
  abandon?(): Promise<void>;
  /** Ends connections; no process is left. */
  close(): void;
}

/**
 * Runs one host command and reads its answer: the last line of stdout, JSON of the given schema.
 * An answer `{error: {code, message, hint}}` becomes a Failure of kind `refused`.
 */
export async function call<T>(
  executor: Executor,
  command: Command,
  argument: Argument,
  answer: z.ZodType<T>,
  options: RunOptions = {},
): Promise<T> {
  const stdout = await executor.run(scriptOf(command), flatten(argument), {
    ...{ timeoutSeconds: 30, fresh: false, ...options },
  });
  const parsed = parseAnswer(stdout);
  const refusal = refused.safeParse(parsed);
  if (refusal.success) {
    const { code, message, hint, details } = refusal.data.error;
    throw new Failure("refused", hint ? `${message} ${hint}` : message, { code, details });
  }
  const result = answer.safeParse(parsed);
  if (result.success) return result.data;
  throw new Failure(
    "script",
    `${executor.host} answered ${command} with something else than expected: ${z.prettifyError(result.error)}. ` +
      `It said: ${stdout.slice(-500)}`,
  );
}

const refused = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    hint: z.string().optional(),
    details: z.unknown().optional(),
  }),
});

function parseAnswer(stdout: string): unknown {
  const line = stdout.trimEnd().split("\n").at(-1) ?? "";
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
