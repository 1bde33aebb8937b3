import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { quote } from "./env.ts";
import { runMark } from "./runs.ts";

const MAIN = fileURLToPath(new URL("../cli/main.ts", import.meta.url));
/** A terminal without a size is none to Pulumi. */
const COLUMNS = 100;
const CHECKOUT = fileURLToPath(new URL("../", import.meta.url));
const LINKED = [
  ...[
    "Pulumi.yaml",
    "start.ts",
    "index.ts",
    "settings.ts",
    "fleet.ts",
    "fleet-settings.ts",
    "package.json",
    "node_modules",
  ],
  ...["components", "contract", "host", "providers"],
];
const STACKS = ["grind", "prod"] as const;
export type StackName = (typeof STACKS)[number];

export interface Ended {
  readonly code: number;
  /** stdout and stderr, in the order in which they came. */
  readonly output: string;
  readonly stdout: string;
  readonly seconds: number;
}

export interface PulumiOptions {
  /** Told what is printed, as it comes. */
  readonly onOutput?: (text: string) => void;
  readonly env?: Readonly<Record<string, string>>;
  /** Sends SIGINT to the CLI, as Ctrl-C does; in a terminal it is that key. */
  readonly interrupt?: AbortSignal;
}

/** What to type when something has been printed, in this order. */
export type Answers = readonly (readonly [RegExp, string])[];

/**
 * This checkout as a Pulumi project that a lab may write to: the program is linked, the stack
 * files are copies, because Pulumi writes the salt of the stack's passphrase into them.
 */
export class Project {
  readonly directory: string;
  /** Of what runs in it. */
  readonly environment: NodeJS.ProcessEnv;

  constructor(lab: { readonly dir: string; readonly env: Readonly<Record<string, string>> }) {
    this.directory = `${lab.dir}/project`;
    this.environment = {
      ...process.env,
      ...lab.env,
      ...runMark(lab.dir),
      PULUMI_BACKEND_URL: `file://${this.directory}/state`,
    };
    rmSync(this.directory, { recursive: true, force: true });
    mkdirSync(`${this.directory}/state`, { recursive: true });
    for (const name of LINKED) symlinkSync(`${CHECKOUT}${name}`, `${this.directory}/${name}`);
    for (const stack of STACKS)
      copyFileSync(`${CHECKOUT}Pulumi.${stack}.yaml`, this.stackFile(stack));
  }

  stackFile(stack: StackName): string {
    return `${this.directory}/Pulumi.${stack}.yaml`;
  }

  async initStacks(): Promise<void> {
    for (const stack of STACKS) await this.must(["stack", "init", stack]);
  }

  /** Runs the real CLI, without a terminal. */
  pulumi(args: readonly string[], options: PulumiOptions = {}): Promise<Ended> {
    const env = { ...this.environment, ...options.env };
    return runPulumi(args, { ...options, env, cwd: this.directory });
  }

  /** Runs our own command line: in a terminal, if there is somebody to answer it. */
  promote(
    args: readonly string[],
    options: PulumiOptions & { readonly answers?: Answers; readonly columns?: number } = {},
  ): Promise<Ended> {
    const command = [process.execPath, "--disable-warning=ExperimentalWarning", MAIN, ...args];
    const argv =
      options.answers === undefined
        ? command
        : [
            "script",
            "--quiet",
            "--return",
            "--command",
            `stty rows 40 columns ${options.columns ?? COLUMNS}; exec ${command.map(quote).join(" ")}`,
            "/dev/null",
          ];
    const env = { ...this.environment, ...options.env };
    return runProgram(argv, { ...options, env, cwd: this.directory });
  }

  /** Like `pulumi`, but anything but exit 0 is an error. */
  async must(args: readonly string[], options: PulumiOptions = {}): Promise<Ended> {
    const ended = await this.pulumi(args, options);
    if (ended.code === 0) return ended;
    throw new Error(`pulumi ${args.join(" ")} ended with ${ended.code}:\n${ended.output}`);
  }

  async outputs(stack: StackName): Promise<Record<string, unknown>> {
    const { stdout } = await this.must(["stack", "output", "--json", "--stack", stack]);
    return JSON.parse(stdout) as Record<string, unknown>;
  }
}

/** Runs the Pulumi CLI in a directory and collects what it says. */
export function runPulumi(
  args: readonly string[],
  options: Omit<PulumiOptions, "env"> & { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<Ended> {
  return runProgram(["pulumi", "--non-interactive", "--color", "never", ...args], options);
}

function runProgram(
  [program = "", ...args]: readonly string[],
  options: Omit<PulumiOptions, "env"> & {
    readonly cwd: string;
    readonly env: NodeJS.ProcessEnv;
    readonly answers?: Answers;
  },
): Promise<Ended> {
  const started = performance.now();
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env,
    stdio: "pipe",
    detached: true, // a Ctrl-C on the terminal reaches only us
  });
  if (options.answers === undefined) child.stdin.end();
  const waiting = [...(options.answers ?? [])];
  let output = "";
  let stdout = "";
  const take = (stream: "stdout" | "stderr") => (text: string) => {
    output += text;
    if (stream === "stdout") stdout += text;
    options.onOutput?.(text);
    const [question, answer] = waiting[0] ?? [];
    if (question === undefined || !question.test(output)) return;
    child.stdin.write(answer);
    waiting.shift();
  };
  child.stdout.setEncoding("utf8").on("data", take("stdout"));
  child.stderr.setEncoding("utf8").on("data", take("stderr"));
  const interrupt = () => {
    if (options.answers === undefined) child.kill("SIGINT");
    else child.stdin.write("\x03");
  };
  options.interrupt?.addEventListener("abort", interrupt);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      child.stdin.destroy();
      const seconds = (performance.now() - started) / 1000;
      resolve({ code: code ?? 255, output, stdout, seconds });
    });
  });
}
