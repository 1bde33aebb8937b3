import { createInterface } from "node:readline/promises";
import { EXIT, Stop } from "./exit-code.ts";
import type { Output } from "./output.ts";

export interface Asking {
  readonly yes: boolean;
  readonly output: Output;
  /** How to say it without a terminal. */
  readonly instead: string;
  /** What the question is about, for a program. */
  readonly about?: object;
}

/** Goes on only with a yes. */
export async function requireYes(
  question: string,
  { yes, output, instead, about = {} }: Asking,
): Promise<void> {
  if (yes) return;
  output.say(question);
  if (process.stdin.isTTY !== true)
    throw new Stop(
      EXIT.unanswered,
      `Stopped at the question, because there is no terminal to answer it: nothing was changed after it was asked. ${instead}`,
      about,
    );
  const answer = await ask(output);
  if (/^y(es)?$/i.test(answer.trim())) return;
  throw new Stop(EXIT.unanswered, "Nothing was changed: the answer was not yes.", about);
}

async function ask(output: Output): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const leaving = new AbortController();
  terminal.on("SIGINT", () => leaving.abort());
  terminal.on("close", () => leaving.abort()); // Ctrl-D
  try {
    return await terminal.question(output.paint("[y/N] ", "bold"), { signal: leaving.signal });
  } catch {
    process.stderr.write("\n");
    throw new Stop(EXIT.interrupted, "Nothing was changed: no answer.");
  } finally {
    terminal.close();
  }
}
