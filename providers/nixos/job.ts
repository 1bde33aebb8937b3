import { createHash, randomBytes } from "node:crypto";
import { z } from "zod";
import {
  describeOperator,
  describeTime,
  type JobRecord,
  jobRecord,
} from "../../contract/job-record.ts";
import { Failure, type FailureKind } from "../errors.ts";
import { type Argument, flatten } from "../executors/argument.ts";
import { call, type Executor } from "../executors/executor.ts";
import { type Command, scriptOf } from "../executors/script.ts";
import { interruption } from "./interruption.ts";
import { isOrphanOfOurs, ourStack, ourselves } from "./operator.ts";

/** Something long that a host does by itself, in a transient unit; we only start and follow it. */
export interface Job<T> {
  readonly command: Extract<
    Command,
    "build" | "push" | "fill" | "pull" | "activate" | "restore-data"
  >;
  /** Names the transient unit; a host runs one unit of a name at a time. */
  readonly unit: string;
  readonly argument: { [key: string]: Argument };
  /** What it is for, for whoever finds the host busy with it. */
  readonly what: string;
  /** The store path that it is about. */
  readonly path?: string;
  /** Jobs that agree in this would do the same. Default: the argument. */
  readonly contract?: string;
  readonly timeoutSeconds: number;
  readonly result: z.ZodType<T>;
  /** What the host does when it is told to stop, and what when nobody can reach it. */
  readonly whenStopped: string;
  readonly whenAlone: string;
  /** May answer what the host has told meanwhile. */
  readonly onStatus: (status: JobStatus, id: string) => Heard | Promise<Heard>;
  /** It runs already, and nobody follows it any more: now we do. */
  readonly onAttached?: (record: JobRecord) => void;
  /** Says a sentence that stays. */
  readonly say?: (sentence: string) => void;
}

/** The code of a failure whose job has ended without a result: killed, or the power was cut. */
export const CUT_OFF = "cut-off";

export const jobStatus = z.object({
  state: z.enum(["running", "finished", "lost", "absent"]),
  version: z.number(),
  step: z.string().nullable(),
  message: z.string().nullable(),
  result: z.record(z.string(), z.unknown()).nullable(),
  exitCode: z.number().nullable(),
  logTail: z.string().nullable(),
});
export type JobStatus = z.infer<typeof jobStatus>;
// biome-ignore lint/suspicious/noConfusingVoidType: nothing, as most have nothing to answer
type Heard = JobStatus | undefined | void;

const started = jobStatus.extend({ started: z.boolean(), id: z.string() });
const stopped = z.object({ cancelled: z.boolean(), decision: z.string().nullable().optional() });
const refusal = z.object({
  error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }),
});

const FOLLOW_SECONDS = 20;
/** Small news travel together, so that a short job costs few round trips. */
export const SETTLE_SECONDS = 1;
const LONGEST_SETTLE_SECONDS = 4;
const RECONNECT_MILLISECONDS = 1000;
/** How much longer than the job itself may take we look for it. */
const MARGIN_SECONDS = 60;
/** After a Ctrl-C nobody wants to wait for a host that cannot be reached. */
const INTERRUPTED_RECONNECT_SECONDS = 30;
const LONGEST_CALL_MILLISECONDS = 60_000;

/** Starts the job, follows it over however many connections it takes, and reads its result. */
export async function runJob<T>(executor: Executor, job: Job<T>): Promise<T> {
  const { id, status } = await start(executor, job);
  const stopListening = interruption.listen(() => job.say?.(stopSentence(executor, job, id)));
  try {
    const ended = await follow(executor, job, id, status);
    return resultOf(executor, job, id, ended);
  } finally {
    stopListening();
  }
}

/** What two jobs have to agree in to be the same. */
export function contractOf(argument: Argument): string {
  const lines = flatten(argument).split("\n").sort(); // what Pulumi has recorded comes in another order
  return createHash("sha256").update(lines.join("\n")).digest("hex");
}

async function start<T>(
  executor: Executor,
  job: Job<T>,
): Promise<{ id: string; status: JobStatus | undefined }> {
  const id = newId(job.command);
  const contract = job.contract ?? contractOf(job.argument);
  const argument = {
    ...{ id, unit: job.unit, script: scriptOf(job.command), timeoutSeconds: job.timeoutSeconds },
    argument: flatten({ ...job.argument, id }),
    ...{
      by: { ...ourselves() },
      executor: executor.kind,
      what: job.what,
      path: job.path,
      contract,
    },
    ...{ waitSeconds: 2 * SETTLE_SECONDS, settleSeconds: SETTLE_SECONDS },
  };
  try {
    const status = await persist(executor, job, id, UNKNOWN_OUTCOME, (options) =>
      call(executor, "start", argument, started, { ...options, timeoutSeconds: 45 }),
    );
    return { id, status };
  } catch (error) {
    const holder = holderOf(error);
    if (holder === undefined || holder.contract !== contract || !isOrphanOfOurs(holder.by))
      throw error;
    job.say?.(
      `${executor.host} does this already: ${holder.id}, started by ${describeOperator(holder.by)} at ` +
        `${describeTime(holder.startedAt)}, whose process has ended. Following it instead of starting another.`,
    );
    job.onAttached?.(holder);
    return { id: holder.id, status: undefined };
  }
}

/** The job that keeps the host busy, if that is why it refused. */
function holderOf(error: unknown): JobRecord | undefined {
  if (!(error instanceof Failure) || error.code !== "busy") return undefined;
  return jobRecord.safeParse(error.details).data;
}

async function follow<T>(
  executor: Executor,
  job: Job<T>,
  id: string,
  first: JobStatus | undefined,
): Promise<JobStatus> {
  const limit = job.timeoutSeconds + MARGIN_SECONDS;
  let status = first;
  let seen = 0;
  let stopping = false;
  let waited = 0;
  while (true) {
    if (status !== undefined && status.state !== "running") return status;
    if (status !== undefined && status.version !== seen) {
      seen = status.version;
      const heard = await job.onStatus(status, id);
      if (heard) {
        status = heard;
        continue;
      }
    }
    if (waited > limit * 1000) break;
    if (interruption.happened && !stopping) {
      stopping = true;
      await stop(executor, job, id);
    }
    const began = Date.now();
    const settleSeconds = settleAfter(waited);
    const question = { id, seen, waitSeconds: FOLLOW_SECONDS, settleSeconds };
    const news = persist(executor, job, id, NO_ANSWER, (options) =>
      call(executor, "follow", question, jobStatus, {
        ...options,
        timeoutSeconds: FOLLOW_SECONDS + 15,
      }),
    );
    // The host has nothing new to tell for a while; a Ctrl-C does not wait for that.
    if (!stopping && (await interruption.before(news))) {
      stopping = true;
      await stop(executor, job, id);
    }
    status = await news;
    waited += awake(began);
  }
  throw new Failure(
    "timeout",
    `${job.command} ${id} on ${executor.host} is still not done after ${limit} s. ` +
      `It goes on there by itself: ${job.whenAlone}. ${howToLook(job, id)}`,
  );
}

async function stop<T>(executor: Executor, job: Job<T>, id: string): Promise<void> {
  const answer = await persist(executor, job, id, NO_ANSWER, (options) =>
    call(executor, "cancel", { id }, stopped, options),
  );
  if (!answer.cancelled && (answer.decision === "confirmed" || answer.decision === "unasked"))
    job.say?.(
      `${id} on ${executor.host} cannot be stopped any more: it is decided, and goes on to its end.`,
    );
}

function stopSentence<T>(executor: Executor, job: Job<T>, id: string): string {
  return (
    `Asking ${executor.host} to stop ${id}: ${job.whenStopped}. ` +
    `Ctrl-C again leaves the host to finish alone: it goes on by itself. ${howToLook(job, id)}`
  );
}

function howToLook<T>(job: Job<T>, id: string): string {
  const stack = ourStack() ? ` --stack ${ourStack()}` : "";
  return (
    `To look: \`pulumi preview${stack}\`, or on the host: ` +
    `\`journalctl -u ${job.unit}\`, /var/lib/nixos-promote/jobs/${id}/log.`
  );
}

/** What has taken long will take long, and each call costs both ends something. */
function settleAfter(milliseconds: number): number {
  return Math.min(SETTLE_SECONDS + Math.floor(milliseconds / 5000), LONGEST_SETTLE_SECONDS);
}

const UNKNOWN_OUTCOME: FailureKind[] = ["lost", "timeout"];
/** Also where it lets nobody in: a release may have broken that, and going back mends it. */
const NO_ANSWER: FailureKind[] = [...UNKNOWN_OUTCOME, "unreachable", "auth", "host-key"];

// A connection that breaks loses nothing: the job is a unit of the host, and every call may be repeated.
async function persist<T, R>(
  executor: Executor,
  job: Job<T>,
  id: string,
  passing: readonly FailureKind[],
  attempt: (options: { fresh?: boolean }) => Promise<R>,
): Promise<R> {
  let away = 0;
  let passes = passing;
  for (let fresh = false; ; fresh = true) {
    const began = Date.now();
    try {
      return await attempt({ fresh });
    } catch (error) {
      if (!(error instanceof Failure && passes.includes(error.kind))) throw error;
      passes = NO_ANSWER; // the job may run by now, so that no answer at all says nothing either
      const limit = interruption.happened
        ? INTERRUPTED_RECONNECT_SECONDS
        : job.timeoutSeconds + MARGIN_SECONDS;
      if (away > limit * 1000) throw outOfReach(executor, job, id, limit, error);
      await job.onStatus(reconnecting(executor, error), "");
      await new Promise((wake) => setTimeout(wake, RECONNECT_MILLISECONDS));
      away += awake(began);
    }
  }
}

/** Milliseconds since then in which we could do something: not those of a laptop that was asleep. */
function awake(began: number): number {
  return Math.min(Math.max(0, Date.now() - began), LONGEST_CALL_MILLISECONDS);
}

function outOfReach<T>(
  executor: Executor,
  job: Job<T>,
  id: string,
  seconds: number,
  error: Failure,
): Failure {
  return new Failure(
    error.kind,
    `No connection to ${executor.host} for ${seconds} s while it did ${id}. The host goes on by itself: ${job.whenAlone}. ` +
      `${howToLook(job, id)} The last attempt: ${error.message}`,
    { cause: error },
  );
}

function reconnecting(executor: Executor, error: Failure): JobStatus {
  const message = `no connection to ${executor.host}; it goes on by itself, trying again (${error.message})`;
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
      { code: CUT_OFF },
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
