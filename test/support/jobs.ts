import assert from "node:assert/strict";
import { z } from "zod";
import { Failure, type FailureKind } from "../../providers/errors.ts";
import { type Job, type JobStatus, runJob } from "../../providers/nixos/job.ts";
import { withoutWaiting } from "./clock.ts";
import { FakeExecutor, type Script } from "./fake-executor.ts";

/* A job on a host that answers from a script. */

export const status = (more: Partial<JobStatus>): JobStatus => ({
  ...{ state: "running", version: 1, step: "test", message: "switching", fields: {} },
  ...{ result: null, exitCode: null, logTail: "" },
  ...more,
});
export const done = status({ state: "finished", version: 9, result: { answer: 42 }, exitCode: 0 });
/** What starting answers, here before there are any news. */
export const startedAs = (id: string | undefined, more: object = {}) => ({
  ...{ started: true, id, ...status({ version: 0, step: null, message: null }) },
  ...more,
});
export const failing = (kind: FailureKind) => new Failure(kind, `${kind}!`);

export const host = (script: Script) =>
  new FakeExecutor({
    start: ({ argument }) => startedAs(argument.get("id")),
    follow: () => done,
    cancel: () => ({ cancelled: true, step: "test" }),
    ...script,
  });

export const job = (more: Partial<Job<{ answer: number }>> = {}): Job<{ answer: number }> => ({
  command: "activate",
  unit: "nixos-promote-activate",
  argument: { toplevel: "/nix/store/x" },
  timeoutSeconds: 100,
  what: "release 9ace77e00000 say hello",
  result: z.object({ answer: z.number() }),
  whenStopped: "it goes back to what ran before",
  whenAlone: "without a confirmation it goes back",
  onStatus: () => {},
  ...more,
});

export const run = (executor: FakeExecutor, more: Partial<Job<{ answer: number }>> = {}) =>
  withoutWaiting(() => runJob(executor, job(more)));

/** Is it a question for news? */
export const isFollow = (input: string) => input.includes("\nseen\t");

export async function failureOf(work: Promise<unknown>): Promise<Failure> {
  const error = await work.then(
    () => assert.fail("it succeeded"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof Failure, String(error));
  return error;
}
