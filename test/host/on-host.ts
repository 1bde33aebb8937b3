// Runs host commands on a lab host as an executor does: one ssh call, script and argument on stdin.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { LabHost } from "../../lab/lab.ts";
import { type Argument, flatten } from "../../providers/executors/argument.ts";
import { remoteCommand } from "../../providers/executors/remote-command.ts";
import { type Command, scriptOf } from "../../providers/executors/script.ts";

export type Answer = Record<string, unknown>;

/** The answer of a host command: its last line of stdout. */
export async function ask(host: LabHost, command: Command, argument: Argument): Promise<Answer> {
  const script = scriptOf(command);
  const ran = await host.ssh(remoteCommand(script), {
    input: `${script}${flatten(argument)}`,
  });
  assert.equal(ran.code, 0, `${command} ended with ${ran.code}: ${ran.stderr}`);
  const lines = ran.stdout.trimEnd().split("\n");
  assert.equal(lines.length, 1, `${command} said more than its answer: ${ran.stdout}`);
  return JSON.parse(lines[0] ?? "") as Answer;
}

export interface JobState {
  readonly state: "running" | "finished" | "lost" | "absent";
  readonly version: number;
  readonly step: string | null;
  readonly message: string | null;
  readonly fields: Record<string, string>;
  readonly result: Answer | null;
  readonly exitCode: number | null;
  readonly logTail: string | null;
}

export interface Job {
  readonly id: string;
  readonly command: Extract<
    Command,
    "build" | "push" | "fill" | "pull" | "activate" | "restore-data"
  >;
  readonly argument: { [key: string]: Argument };
  /** Who starts it, and on which way. */
  readonly card?: { [key: string]: Argument };
  readonly timeoutSeconds?: number;
}

let jobs = 0;
/** An id that no other test uses. */
export function newId(what: string): string {
  return `${what}-${Date.now()}-${++jobs}`;
}

export function start(host: LabHost, job: Job): Promise<Answer> {
  return ask(host, "start", {
    id: job.id,
    unit: ["activate", "restore-data"].includes(job.command)
      ? "nixos-promote-activate"
      : `nixos-promote-${job.id}`,
    script: scriptOf(job.command),
    argument: flatten({ ...job.argument, id: job.id }),
    timeoutSeconds: job.timeoutSeconds ?? 120,
    ...job.card,
  });
}

export async function follow(
  host: LabHost,
  id: string,
  seen = 0,
  waitSeconds = 0,
): Promise<JobState> {
  return (await ask(host, "follow", {
    id,
    seen,
    waitSeconds,
  })) as unknown as JobState;
}

/** Follows a job to its end; `onStatus` sees what it reports on the way. */
export async function finish(
  host: LabHost,
  id: string,
  onStatus: (state: JobState) => void | Promise<void> = () => {},
): Promise<JobState> {
  for (let seen = 0; ; ) {
    const state = await follow(host, id, seen, 10);
    if (state.state !== "running") return state;
    seen = state.version;
    await onStatus(state);
  }
}

/** Waits until a job is at a step. */
export async function reach(host: LabHost, id: string, step: string): Promise<JobState> {
  for (let seen = 0; ; ) {
    const state = await follow(host, id, seen, 10);
    assert.equal(
      state.state,
      "running",
      `${id} ended before the step ${step}: ${JSON.stringify(state)}`,
    );
    if (state.step === step) return state;
    seen = state.version;
  }
}

/** Starts a job and follows it to its end. */
export async function run(
  host: LabHost,
  job: Job,
  onStatus?: (state: JobState) => void | Promise<void>,
): Promise<JobState> {
  const { started } = await start(host, job);
  assert.equal(started, true);
  return finish(host, job.id, onStatus);
}

export async function eventually(what: string, is: () => Promise<boolean>): Promise<void> {
  const giveUp = Date.now() + 20_000;
  while (!(await is())) {
    assert.ok(Date.now() < giveUp, `not within 20 s: ${what}`);
    await sleep(100);
  }
}
