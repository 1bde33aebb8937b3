import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { collect, type Ended, limitProcess, STDERR_LIMIT, STDOUT_LIMIT } from "./process.ts";
import { CONNECTED, stayingCommand } from "./remote-command.ts";

export interface Master {
  /** Settles when others can share it, or cannot: those connect by themselves, and say why. */
  readonly connected: Promise<unknown>;
  /** How the call ended that began it. */
  readonly first: Promise<Ended>;
  isOpen(): boolean;
  close(): void;
}

/**
 * A connection that calls share, begun by the first of them: one that stays alone costs no more than itself.
 * It ends with our end of its stdin: also when we are killed.
 *
 * @param ssh argv for a command of the host
 */
export function startMaster(
  ssh: (command: readonly string[]) => [string, ...string[]],
  command: readonly string[],
  input: string,
  timeoutSeconds: number,
  endsWithUs: boolean,
): Master {
  const mark = `nixos-promote-${randomBytes(8).toString("hex")}`;
  const [program, ...words] = ssh(stayingCommand(command, Buffer.byteLength(input), mark));
  const child = spawn(program, words, { stdio: "pipe", detached: true });
  const limit = limitProcess(child.pid, timeoutSeconds, endsWithUs);
  const stdout = untilMark(child.stdout, STDOUT_LIMIT, mark);
  const stderr = untilMark(child.stderr, STDERR_LIMIT, mark);
  let open = true;
  const end = (code: number | null, stderr: string): Ended => {
    limit.lift();
    const said = stdout.text();
    const answer = said.startsWith(CONNECTED) ? said.slice(CONNECTED.length) : said;
    return { code, stdout: answer, stderr, timedOut: limit.reached() };
  };
  const gone = new Promise<Ended>((resolve) => {
    child.once("error", ({ message }) => resolve(end(null, message)));
    child.once("close", (code) => resolve(end(code, stderr.text())));
  }).finally(() => {
    open = false;
  });
  const answered = Promise.all([stdout.code, stderr.code]).then(([code]) => {
    child.unref();
    return end(code, stderr.text());
  });
  const begun = new Promise((resolve) => child.stdout.once("data", resolve));
  child.stdin.on("error", () => {}); // ssh may end before it has read everything
  child.stdin.write(input);
  return {
    connected: Promise.race([begun, gone]),
    first: Promise.race([answered, gone]),
    isOpen: () => open,
    close: () => child.stdin.end(),
  };
}

/** What a stream says before the line that ends the call, and the exit that this line tells. */
function untilMark(stream: NodeJS.ReadableStream, limit: number, mark: string) {
  const text = collect(stream, limit);
  const last = new RegExp(`${mark} ([0-9]+)\n$`);
  let end = "";
  const code = new Promise<number>((resolve) => {
    stream.on("data", (chunk: Buffer) => {
      end = (end + chunk.toString("latin1")).slice(-80);
      const [, exit] = end.match(last) ?? [];
      if (exit !== undefined) resolve(Number(exit));
    });
  });
  return { code, text: () => text().replace(last, "") };
}
