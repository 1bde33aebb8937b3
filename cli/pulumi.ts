import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { z } from "zod";
import { type Ended, runProcess } from "../providers/executors/process.ts";
import { EXIT, Stop } from "./exit-code.ts";
import type { Output } from "./output.ts";

/** What came of a `pulumi preview` or `up`. */
export interface Run {
  readonly ok: boolean;
  readonly interrupted: boolean;
  /** False if Pulumi did not get to it, for want of a lock, a login or a passphrase. */
  readonly begun: boolean;
  /** By kind: same, update, create, … Null if it did not come so far. */
  readonly changes: Readonly<Record<string, number>> | null;
  readonly messages: readonly Message[];
  readonly seconds: number;
}

export interface Message {
  readonly severity: "info" | "info#err" | "warning" | "error";
  readonly resource: string | null;
  readonly text: string;
}

export interface Showing {
  readonly hidden?: boolean;
  /** Directories or files of policies that a stack has to hold to. */
  readonly policyPacks?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Looks first what there really is, of all resources. */
  readonly refresh?: boolean;
}

/** The Pulumi CLI in a project. What it shows, it shows to the operator itself. */
export class Pulumi {
  readonly #directory: string;
  readonly #output: Output;

  constructor(directory: string, output: Output) {
    this.#directory = directory;
    this.#output = output;
  }

  /** `hidden` keeps Pulumi's display for the operator to itself, unless the preview fails. */
  preview(stack: string, how: Showing = {}): Promise<Run> {
    return this.#show(["preview", "--stack", stack], how);
  }

  up(stack: string, how: Showing = {}): Promise<Run> {
    return this.#show(["up", "--yes", "--skip-preview", "--stack", stack], how);
  }

  /** The outputs of a stack, as its last update left them. */
  async outputs(stack: string): Promise<Record<string, unknown>> {
    const ended = await this.ask(["stack", "output", "--json", "--stack", stack]);
    if (ended.code === 0) return z.record(z.string(), z.unknown()).parse(JSON.parse(ended.stdout));
    throw new Stop(EXIT.failed, `pulumi stack output --stack ${stack}: ${said(ended)}`);
  }

  /** Asks Pulumi something that changes nothing. */
  ask(args: readonly string[], timeoutSeconds = 60): Promise<Ended> {
    const common = ["--non-interactive", "--color", "never", "--cwd", this.#directory];
    return runProcess(["pulumi", ...common, ...args], "", timeoutSeconds, { endsWithUs: true });
  }

  /**
   * With a terminal it is Pulumi's own display, and a Ctrl-C reaches Pulumi from the terminal. Without one we hand
   * the signal on: it leads a process group of its own, so that nobody gets it twice, which would mean to leave at once.
   */
  async #show(args: readonly string[], how: Showing): Promise<Run> {
    const began = performance.now();
    const directory = mkdtempSync(join(tmpdir(), "nixos-promote-events-"));
    const log = join(directory, "events");
    try {
      const packs = (how.policyPacks ?? []).flatMap((pack) => ["--policy-pack", pack]);
      const refresh = how.refresh === true ? ["--refresh"] : [];
      const more = [...packs, ...refresh, "--suppress-outputs", "--event-log", log];
      const { code, interrupted } = await this.#spawn([...args, ...more], how);
      const seconds = (performance.now() - began) / 1000;
      const events = eventsIn(log);
      const cancelled = interrupted || events.messages.some(isCancelled);
      const begun = existsSync(log);
      return { ok: code === 0, interrupted: code !== 0 && cancelled, begun, seconds, ...events };
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }

  #spawn(
    args: readonly string[],
    { hidden = false, env = {} }: Showing,
  ): Promise<{ code: number | null; interrupted: boolean }> {
    const output = this.#output;
    const live = !hidden && output.live && process.stdin.isTTY === true;
    const common = [
      ...["--cwd", this.#directory],
      ...(live ? [] : ["--non-interactive"]),
      ...(output.colour ? [] : ["--color", "never"]),
    ];
    if (!hidden) output.endProgress();
    const shown = hidden ? (["pipe", "pipe"] as const) : ([output.aside ? 2 : 1, 2] as const);
    const child = spawn("pulumi", [...common, ...args], {
      stdio: [live ? "inherit" : "ignore", ...shown],
      env: { ...process.env, ...env, PULUMI_DEBUG_COMMANDS: "true" }, // without it there is no --event-log
      detached: !live,
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => {
        said += text;
      });
    let interrupted = false;
    const onSignal = (signal: NodeJS.Signals) => {
      interrupted = true;
      if (!live || signal !== "SIGINT") child.kill(signal === "SIGHUP" ? "SIGTERM" : signal);
    };
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
    for (const signal of signals) process.on(signal, onSignal);
    return new Promise((resolve, reject) => {
      child.on("error", (error) => {
        reject(
          new Stop(
            EXIT.failed,
            `The Pulumi CLI could not be started: ${error.message}. Run: npm run setup -- --for program`,
          ),
        );
      });
      child.on("close", (code) => {
        for (const signal of signals) process.off(signal, onSignal);
        if (code !== 0 && said !== "") output.line(said.trimEnd());
        resolve({ code, interrupted });
      });
    });
  }
}

/** Pulumi's words without what is only for a terminal. */
export function said({ stdout, stderr, timedOut }: Ended): string {
  if (timedOut) return "no answer in time.";
  return stripVTControlCharacters(stderr.trim() || stdout.trim()).replace(/^error: /, "");
}

const diagnostic = z.object({
  diagnosticEvent: z.object({
    urn: z.string().optional(),
    message: z.string(),
    severity: z.enum(["info", "info#err", "warning", "error"]),
    ephemeral: z.boolean().optional(),
  }),
});
const summary = z.object({
  summaryEvent: z.object({ resourceChanges: z.record(z.string(), z.number()) }),
});

function eventsIn(file: string): Pick<Run, "changes" | "messages"> {
  let changes: Run["changes"] = null;
  const messages: Message[] = [];
  for (const line of linesOf(file)) {
    const event = parsed(line);
    changes = summary.safeParse(event).data?.summaryEvent.resourceChanges ?? changes;
    const told = diagnostic.safeParse(event).data?.diagnosticEvent;
    if (told === undefined || told.ephemeral === true) continue;
    const { severity, urn = "", message } = told;
    const text = stripVTControlCharacters(message.replace(/<\{%[^%]*%\}>/g, "")).trim();
    if (text !== "") messages.push({ severity, resource: urn.split("::").at(-1) || null, text });
  }
  return { changes, messages };
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split("\n").filter(Boolean);
  } catch {
    return []; // it did not come so far
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // cut off
  }
}

/** In a terminal, Pulumi's display takes the key itself: nobody gets a signal, but somebody says what comes of it. */
function isCancelled({ severity, text }: Message): boolean {
  if (severity === "warning") return /^(warning: )?Asking \S.* to stop \S+: /.test(text);
  return severity === "error" && /^(error: )?(update|preview) cancell?ed$/i.test(text);
}

/** Is there nothing to do on any resource? */
export function changesNothing({ changes }: Run): boolean {
  if (changes === null) return false;
  return Object.entries(changes).every(
    ([kind, count]) => kind === "same" || kind === "refresh" || kind === "read" || count === 0,
  );
}
