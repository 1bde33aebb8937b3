// `pulumi up` as a child whose processes a test can stop and end.
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import type { LabHost } from "../../lab/lab.ts";
import { eventually, type World } from "./world.ts";

export interface UpOptions {
  /** Where this operator keeps the state. Default: where the world does. */
  readonly backend?: string;
}

export class RunningUp {
  readonly ended: Promise<number | null>;
  output = "";
  readonly #pid: number;
  #family: readonly number[] = [];

  constructor({ project, lab }: World, { backend }: UpOptions = {}) {
    const { directory } = project;
    const env = {
      ...process.env,
      ...lab.env,
      PULUMI_BACKEND_URL: backend ?? `file://${directory}/state`,
    };
    const argv = ["up", "--yes", "--skip-preview", "--stack", "prod"];
    const child = spawn("pulumi", ["--non-interactive", "--color", "never", ...argv], {
      cwd: directory,
      env,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    this.#pid = child.pid ?? 0;
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
        if (process.env.E2E_SHOW) process.stderr.write(text);
      });
    this.ended = new Promise((resolve) => child.once("exit", (code) => resolve(code)));
  }

  says(sign: RegExp, seconds = 60): Promise<void> {
    return eventually(`pulumi up says ${sign}`, () => sign.test(this.output), seconds);
  }

  /** The CLI alone, as a terminal does it: plugins have a process group of their own. */
  signal(signal: NodeJS.Signals): void {
    process.kill(this.#pid, signal);
  }

  /** The CLI and every provider of ours. */
  signalAll(signal: NodeJS.Signals): void {
    const providers = this.providers();
    for (const pid of [this.#pid, ...providers]) process.kill(pid, signal);
  }

  providers(): number[] {
    return childrenOf(this.#pid).filter((pid) =>
      /providers\/nixos\/main\.ts/.test(text(`/proc/${pid}/cmdline`)),
    );
  }

  /** All processes below the CLI. */
  family(): readonly number[] {
    this.#family = descendantsOf(this.#pid);
    return this.#family;
  }

  /** What a killed CLI has left goes. */
  leave(): void {
    const left = [this.#pid, ...descendantsOf(this.#pid), ...this.#family];
    for (const pid of left.filter((one) => /pulumi|nixos\/main\.ts/.test(commandLine(one))))
      process.kill(pid, "SIGKILL");
  }
}

/** Those that still run, as command lines. */
export function alive(pids: readonly number[]): string[] {
  return pids.map(commandLine).filter((command) => command !== "");
}

function commandLine(pid: number): string {
  return text(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
}

function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

function childrenOf(parent: number): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      const stat = text(`/proc/${pid}/stat`);
      return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === parent;
    });
}

function text(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // it has ended
  }
}

/** Waits until the host's activation is at a step; the host itself is asked, not over the network. */
export async function reachStep(host: LabHost, name: string): Promise<void> {
  const script =
    'cat "/var/lib/nixos-promote/jobs/$(cat /var/lib/nixos-promote/activation)/status.json"';
  const isThere = async () => {
    if (await isIdle(host)) return false;
    return (await host.exec(["sh", "-c", script])).stdout.includes(`"step":"${name}"`);
  };
  await eventually(`${host.name} is at the step ${name}`, isThere, 60);
}

/** Does no activation run on the host? */
export async function isIdle(host: LabHost): Promise<boolean> {
  return (await host.exec(["systemctl", "is-active", "-q", "nixos-promote-activate"])).code !== 0;
}

export async function untilIdle(host: LabHost): Promise<void> {
  await eventually(`the activation on ${host.name} has ended`, () => isIdle(host), 90);
}
