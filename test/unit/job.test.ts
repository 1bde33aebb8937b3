import assert from "node:assert/strict";
import { z } from "zod";
import { Failure, type FailureKind } from "../../providers/errors.ts";
import {
  interruptible,
  interruptJobs,
  type Job,
  type JobStatus,
  runJob,
} from "../../providers/nixos/job.ts";
import { decodeLines } from "../support/argument-decoder.ts";
import { withoutWaiting } from "../support/clock.ts";
import { FakeExecutor, type Script } from "../support/fake-executor.ts";

const status = (more: Partial<JobStatus>): JobStatus => ({
  ...{ state: "running", version: 1, step: "test", message: "switching", fields: {} },
  ...{ result: null, exitCode: null, logTail: "" },
  ...more,
});
const done = status({ state: "finished", version: 9, result: { answer: 42 }, exitCode: 0 });
const failing = (kind: FailureKind) => new Failure(kind, `${kind}!`);

const host = (script: Script) =>
  new FakeExecutor({
    start: ({ argument }) => ({ started: true, id: argument.get("id"), state: "running" }),
    follow: () => done,
    cancel: () => ({ cancelled: true, step: "test" }),
    ...script,
  });

const job = (more: Partial<Job<{ answer: number }>> = {}): Job<{ answer: number }> => ({
  command: "activate",
  unit: "nixos-promote-activate",
  argument: { toplevel: "/nix/store/x" },
  timeoutSeconds: 100,
  result: z.object({ answer: z.number() }),
  onStatus: () => {},
  ...more,
});

const run = (executor: FakeExecutor, more: Partial<Job<{ answer: number }>> = {}) =>
  withoutWaiting(() => runJob(executor, job(more)));

async function failureOf(work: Promise<unknown>): Promise<Failure> {
  const error = await work.then(
    () => assert.fail("it succeeded"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof Failure, String(error));
  return error;
}

describe("a job on a host", () => {
  afterEach(() => {
    interruptible.interrupted = false;
  });

  it("is started once, followed to its end, and answers its result", async () => {
    const executor = host({});
    assert.deepEqual(await run(executor), { answer: 42 });
    assert.deepEqual(
      executor.calls.map(({ command }) => command),
      ["start", "follow"],
    );
  });

  it("gets its own id in its argument, in a unit of the given name and with a limit of its own", async () => {
    const executor = host({});
    await run(executor);
    const argument = executor.asked("start")[0]?.argument;
    const id = argument?.get("id") ?? "";
    assert.match(id, /^activate-\d{8}T\d{6}Z-[0-9a-f]{8}$/);
    assert.equal(argument?.get("unit"), "nixos-promote-activate");
    assert.equal(argument?.get("timeoutSeconds"), "100");
    const inner = decodeLines(argument?.get("argument") ?? "");
    assert.deepEqual(
      [...inner],
      [
        ["toplevel", "/nix/store/x"],
        ["id", id],
      ],
    );
    assert.equal(executor.asked("follow")[0]?.argument.get("id"), id);
  });

  it("has another id each time", async () => {
    const executor = host({});
    await run(executor);
    await run(executor);
    const [one, two] = executor.asked("start").map(({ argument }) => argument.get("id"));
    assert.notEqual(one, two);
  });

  it("tells each new version once, and asks only for what it has not seen", async () => {
    const versions = [
      status({ version: 1 }),
      status({ version: 1 }),
      status({ version: 3, message: "probing" }),
      done,
    ];
    const executor = host({ follow: (_call, turn) => versions[turn] });
    const told: string[] = [];
    await run(executor, { onStatus: ({ message }) => void told.push(message ?? "") });
    assert.deepEqual(told, ["switching", "probing"]);
    assert.deepEqual(
      executor.asked("follow").map(({ argument }) => argument.get("seen")),
      ["0", "1", "1", "3"],
    );
  });

  it("is waited for a little longer than the host waits", async () => {
    const executor = host({});
    await run(executor);
    const [follow] = executor.asked("follow");
    assert.ok(Number(follow?.options.timeoutSeconds) > Number(follow?.argument.get("waitSeconds")));
  });

  for (const kind of ["lost", "timeout"] as const) {
    it(`is started again under the same id when the outcome of starting is ${kind}`, async () => {
      const executor = host({
        start: ({ argument }, turn) =>
          turn === 0 ? failing(kind) : { started: false, id: argument.get("id"), state: "running" },
      });
      assert.deepEqual(await run(executor), { answer: 42 });
      const [first, second, ...more] = executor.asked("start");
      assert.equal(first?.argument.get("id"), second?.argument.get("id"));
      assert.deepEqual([first?.options.fresh, second?.options.fresh], [false, true]);
      assert.deepEqual(more, []);
    });
  }

  for (const kind of ["unreachable", "auth", "host-key", "script", "refused"] as const) {
    it(`is not started again when the host was ${kind}: it never ran`, async () => {
      const executor = host({ start: () => failing(kind) });
      assert.equal((await failureOf(run(executor))).kind, kind);
      assert.equal(executor.calls.length, 1);
    });
  }

  for (const kind of ["lost", "timeout", "unreachable"] as const) {
    it(`goes on by itself while the host is ${kind}, and is followed again over a fresh connection`, async () => {
      const executor = host({ follow: (_call, turn) => (turn < 3 ? failing(kind) : done) });
      const told: string[] = [];
      assert.deepEqual(
        await run(executor, { onStatus: ({ message }) => void told.push(message ?? "") }),
        { answer: 42 },
      );
      assert.deepEqual(
        executor.asked("follow").map(({ options }) => options.fresh),
        [false, true, true, true],
      );
      assert.deepEqual(
        told,
        Array(3).fill("no connection to fake; it goes on by itself, trying again"),
      );
      assert.equal(executor.asked("start").length, 1);
    });
  }

  for (const kind of ["auth", "host-key", "script"] as const) {
    it(`is given up when following ends in ${kind}: trying again would not help`, async () => {
      const executor = host({ follow: () => failing(kind) });
      assert.equal((await failureOf(run(executor))).kind, kind);
      assert.equal(executor.asked("follow").length, 1);
    });
  }

  it("is given up when the host stays away for two minutes", async () => {
    const executor = host({ follow: () => failing("lost") });
    assert.equal((await failureOf(run(executor))).kind, "lost");
    const tries = executor.asked("follow").length;
    assert.ok(tries > 100 && tries < 130, String(tries));
  });

  it("that refuses says so in the host's words, with its code", async () => {
    const error = { code: "busy", message: "Another activation runs.", hint: "Wait." };
    const executor = host({
      follow: () => status({ state: "finished", result: { error }, exitCode: 0 }),
    });
    const failure = await failureOf(run(executor));
    assert.deepEqual(
      [failure.kind, failure.code, failure.message],
      ["refused", "busy", "Another activation runs. Wait."],
    );
  });

  for (const state of ["lost", "absent"] as const) {
    it(`that is ${state} says in which step it was cut off, and the end of its log`, async () => {
      const executor = host({
        follow: () => status({ state, step: "health", logTail: "\nwaiting for 9090\n" }),
      });
      const failure = await failureOf(run(executor));
      assert.equal(failure.kind, "lost");
      assert.match(
        failure.message,
        /^activate activate-\S+ on fake was cut off in step health before it could report\. Its log ends with:\nwaiting for 9090$/,
      );
    });
  }

  it("that left a result before it was lost has that result", async () => {
    const executor = host({ follow: () => status({ state: "lost", result: { answer: 7 } }) });
    assert.deepEqual(await run(executor), { answer: 7 });
  });

  it("whose result has another shape says with which exit it ended, and the end of its log", async () => {
    const executor = host({
      follow: () =>
        status({
          state: "finished",
          result: { answer: "x" },
          exitCode: 3,
          logTail: "line 12: oops",
        }),
    });
    const failure = await failureOf(run(executor));
    assert.equal(failure.kind, "script");
    assert.match(
      failure.message,
      /ended with exit 3 and no result that we can read\. Its log ends with:\nline 12: oops$/,
    );
  });

  it("whose status has another shape is a failure that says what the host said", async () => {
    const executor = host({ follow: () => ({ state: "dancing" }) });
    const failure = await failureOf(run(executor));
    assert.equal(failure.kind, "script");
    assert.match(failure.message, /fake answered follow .*dancing/s);
  });

  it("is asked to stop once when it is interrupted, and followed until it has", async () => {
    const executor = host({
      follow: (_call, turn) => (turn < 4 ? status({ version: turn + 1 }) : done),
    });
    const told = run(executor, {
      onStatus: ({ version }) => {
        if (version === 2) interruptJobs();
      },
    });
    assert.deepEqual(await told, { answer: 42 });
    assert.deepEqual(
      executor.calls.map(({ command }) => command),
      ["start", "follow", "follow", "cancel", "follow", "follow", "follow"],
    );
    assert.equal(executor.asked("follow").at(-1)?.argument.get("waitSeconds"), "1");
  });

  it("is asked again to stop when the asking was cut off", async () => {
    interruptJobs();
    const executor = host({
      cancel: (_call, turn) => (turn === 0 ? failing("lost") : { cancelled: true, step: "test" }),
    });
    assert.deepEqual(await run(executor), { answer: 42 });
    assert.equal(executor.asked("cancel").length, 2);
  });

  it("is given up with where to look, when it does not end in its time", async () => {
    const follow = async () => {
      await new Promise((wake) => setTimeout(wake, 20_000));
      return status({ version: 1 });
    };
    const executor = host({});
    executor.run = async (text, input, options) =>
      input.includes("waitSeconds")
        ? JSON.stringify(await follow())
        : FakeExecutor.prototype.run.call(executor, text, input, options);
    const failure = await failureOf(run(executor));
    assert.equal(failure.kind, "timeout");
    assert.match(
      failure.message,
      /still not done after 160 s\. It goes on there by itself; run `pulumi refresh`/,
    );
  });
});
