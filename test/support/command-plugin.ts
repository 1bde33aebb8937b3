import { spawn } from "node:child_process";

/** What of the plugin's resources says what is run. */
export interface CommandInputs {
  readonly create: string;
  readonly interpreter?: string[];
  readonly environment?: Record<string, string>;
  readonly stdin?: string;
  readonly dir?: string;
}

export interface CommandEnded {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a local.Command as its plugin does: the interpreter, then the command as one more argument. */
export function runLocally(inputs: CommandInputs): Promise<CommandEnded> {
  const [program = "", ...args] = [...(inputs.interpreter ?? ["/bin/sh", "-c"]), inputs.create];
  return run(program, args, inputs);
}

/** Runs a remote.Command as an sshd does: by the login shell of the user, with no environment of ours. */
export function runAsLogin(inputs: CommandInputs, shell = "/bin/sh"): Promise<CommandEnded> {
  return run(shell, ["-c", inputs.create], inputs);
}

function run(program: string, args: string[], inputs: CommandInputs): Promise<CommandEnded> {
  return new Promise((resolve, reject) => {
    const { PATH = "", HOME = "/root" } = process.env;
    const child = spawn(program, args, {
      env: { PATH, HOME, ...inputs.environment },
      ...(inputs.dir === undefined ? {} : { cwd: inputs.dir }),
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
    child.stdin.on("error", () => {});
    child.stdin.end(inputs.stdin ?? "");
  });
}
