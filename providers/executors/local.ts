import { Failure } from "../errors.ts";
import type { Executor } from "./executor.ts";
import { runProcess } from "./process.ts";
import { remoteCommand } from "./remote-command.ts";

/** This machine. */
export function localExecutor(): Executor {
  const host = "this machine";
  return {
    ...{ host, kind: "local" },
    async run(script, input, { timeoutSeconds }) {
      const ended = await runProcess(remoteCommand(script), `${script}${input}`, timeoutSeconds);
      if (ended.timedOut)
        throw new Failure("timeout", `${host} gave no answer within ${timeoutSeconds} s.`);
      if (ended.code !== 0)
        throw new Failure(
          "script",
          `A script failed on ${host} with exit ${ended.code}: ${ended.stderr.slice(-2000).trim()}`,
        );
      return ended.stdout;
    },
    close() {},
  };
}
