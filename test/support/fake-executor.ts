import type { Executor, RunOptions } from "../../providers/executors/executor.ts";
import { type Command, scriptOf } from "../../providers/executors/script.ts";
import { decodeLines } from "./argument-decoder.ts";

export interface Call {
  readonly command: string;
  readonly argument: ReadonlyMap<string, string>;
  readonly options: Required<RunOptions>;
}

/** Answers of one command in turn: data for the host's answer, an Error for a call that fails. */
export type Script = Partial<Record<Command, (call: Call, turn: number) => unknown>>;

/** A host that answers from a script and remembers what it was asked. */
export class FakeExecutor implements Executor {
  readonly host = "fake";
  readonly kind = "ssh";
  readonly calls: Call[] = [];
  private readonly script: Script;

  constructor(script: Script) {
    this.script = script;
  }

  async run(text: string, input: string, options: Required<RunOptions>): Promise<string> {
    const command = this.commandOf(text);
    const call = { command, argument: decodeLines(input), options };
    const turn = this.asked(command).length;
    this.calls.push(call);
    const answer = this.script[command]?.(call, turn);
    if (answer instanceof Error) throw answer;
    return typeof answer === "string" ? answer : `${JSON.stringify(answer)}\n`;
  }

  asked(command: Command): Call[] {
    return this.calls.filter((call) => call.command === command);
  }

  close(): void {}

  private commandOf(text: string): Command {
    const found = (Object.keys(this.script) as Command[]).find((name) => scriptOf(name) === text);
    if (found === undefined) throw new Error("asked for a command that the test does not script");
    return found;
  }
}
