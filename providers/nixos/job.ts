import { randomBytes } from "node:crypto";
import { z } from "zod";
import { Failure, type FailureKind } from "../errors.ts";
import { type Argument, flatten } from "../executors/argument.ts";
import { call, type Executor } from "../executors/executor.ts";
import { type Command, scriptOf } from "../executors/script.ts";

/** Something long that a host does by itself, in a transient unit; we only start and follow it. */
export interface Job<T> {
  readonly command: Extract<Command, "build" | "push" | "activate">;
  /** Names the transient unit; a host runs one unit of a name at a time. */
  readonly unit: string;
  readonly argument: { [key: string]: Argument };
  readonly timeoutSeconds: number;
  readonly result: z.ZodType<T>;
  readonly onStatus: (status: JobStatus, id: string) => void | Promise<void>;
}

const jobStatus = z.object({
  state: z.enum(["running", "finished", "lost", "absent"]),
  version: z.number(),
  step: z.string().nullable(),
  message: z.string().nullable(),
  result: z.record(z.string(), z.unknown()).nullable(),
  exitCode: z.number().nullable(),
  logTail: z.string().nullable(),
});
export type JobStatus = z.infer<typeof jobStatus>;

const started = z.object({ started: z.boolean(), id: z.string(), state: z.string() });
const refusal = z.object({
  error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }),
});

const FOLLOW_SECONDS = 20;
const RECONNECT_MILLISECONDS = 1000;

/** Set by Ctrl-C. */
export const interruptible = { interrupted: false };
/** From now on, running jobs are asked to stop, and followed until they have. */
export function interruptJobs(): void {
  interruptible.interrupted = true;
}

/** Starts the job, follows it over however many connections it takes, and reads its result. */
export async function runJob<T>(executor: Executor, job: Job<T>): Promise<T> {
  const id = newId(job.command);
  const argument = flatten({ ...job.argument, id });
  await persist(executor, job, UNKNOWN_OUTCOME, (options) =>
    call(
      executor,
      "start",
      {
        id,
        unit: job.unit,
        script: scriptOf(job.command),
        argument,
        timeoutSeconds: job.timeoutSeconds,
      },
      started,
      options,
    ),
  );
  const ended = await follow(executor, job, id);
  return resultOf(executor, job, id, ended);
}

async function follow<T>(executor: Executor, job: Job<T>, id: string): Promise<JobStatus> {
  const giveUp = Date.now() + (job.timeoutSeconds + 60) * 1000;
  let seen = 0;
  let cancelled = false;
  while (Date.now() < giveUp) {
    if (interruptible.interrupted && !cancelled) {
      cancelled = true;
      await persist(executor, job, NO_ANSWER, (options) =>
        call(executor, "cancel", { id }, z.unknown(), options),
      );
    }
    const waitSeconds = interruptible.interrupted ? 1 : FOLLOW_SECONDS;
    const status = await persist(executor, job, NO_ANSWER, (options) =>
      call(executor, "follow", { id, seen, waitSeconds }, jobStatus, {
        ...options,
        timeoutSeconds: waitSeconds + 15,
      }),
    );
    if (status.state !== "running") return status;
    if (status.version !== seen) {
      seen = status.version;
      await job.onStatus(status, id);
    }
  }
  throw new Failure(
    "timeout",
    `${job.command} ${id} on ${executor.host} is still not done after ${job.timeoutSeconds + 60} s. ` +
      "It goes on there by itself; run `pulumi refresh` to see where it got to.",
  );
}

// A connection that breaks loses nothing: the job is a unit of the host, and every call may be repeated.
async function persist<T, R>(
  executor: Executor,
  job: Job<T>,
  passing: readonly FailureKind[],
  attempt: (options: { fresh?: boolean }) => Promise<R>,
): Promise<R> {
  const giveUp = Date.now() + RECONNECT_LIMIT_SECONDS * 1000;
  for (let fresh = false; ; fresh = true) {
    try {
      return await attempt({ fresh });
    } catch (error) {
      if (!(error instanceof Failure && passing.includes(error.kind)) || Date.now() > giveUp)
        throw error;
      await job.onStatus(reconnecting(executor), "");
      await new Promise((wake) => setTimeout(wake, RECONNECT_MILLISECONDS));
    }
  }
}

const RECONNECT_LIMIT_SECONDS = 120;
const UNKNOWN_OUTCOME: FailureKind[] = ["lost", "timeout"];
const NO_ANSWER: FailureKind[] = [...UNKNOWN_OUTCOME, "unreachable"];

function reconnecting(executor: Executor): JobStatus {
  const message = `no connection to ${executor.host}; it goes on by itself, trying again`;
  return {
    state: "running",
    version: -1,
    step: "reconnect",
    message,
    result: null,
    exitCode: null,
    logTail: null,
  };
}

function resultOf<T>(executor: Executor, job: Job<T>, id: string, ended: JobStatus): T {
  const where = `${job.command} ${id} on ${executor.host}`;
  const refused = refusal.safeParse(ended.result);
  if (refused.success) {
    const { code, message, hint } = refused.data.error;
    throw new Failure("refused", hint ? `${message} ${hint}` : message, { code });
  }
  const result = job.result.safeParse(ended.result);
  if (result.success) return result.data;
  if (ended.state === "lost" || ended.state === "absent")
    throw new Failure(
      "lost",
      `${where} was cut off in step ${ended.step ?? "start"} before it could report. ${tail(ended)}`,
    );
  throw new Failure(
    "script",
    `${where} ended with exit ${ended.exitCode} and no result that we can read. ${tail(ended)}`,
  );
}

function tail(ended: JobStatus): string {
  return ended.logTail?.trim() ? `Its log ends with:\n${ended.logTail.trim()}` : "";
}

function newId(command: string): string {
  const now = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  return `${command}-${now}-${randomBytes(4).toString("hex")}`;
}
