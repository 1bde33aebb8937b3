import assert from "node:assert/strict";
import { contractOf, runJob } from "../../providers/nixos/job.ts";
import { ourselves } from "../../providers/nixos/operator.ts";
import { decodeLines } from "../support/argument-decoder.ts";
import { withoutWaiting } from "../support/clock.ts";
import { FakeExecutor } from "../support/fake-executor.ts";
import {
  done,
  failing,
  failureOf,
  host,
  isFollow,
  job,
  run,
  startedAs,
  status,
} from "../support/jobs.ts";

describe("a job on a host", () => {
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
          turn === 0 ? failing(kind) : startedAs(argument.get("id"), { started: false }),
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

  for (const kind of ["lost", "timeout", "unreachable", "auth", "host-key"] as const) {
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
        Array(3).fill(`no connection to fake; it goes on by itself, trying again (${kind}!)`),
      );
      assert.equal(executor.asked("start").length, 1);
    });
  }

  it("is given up when following ends in a broken script: trying again would not help", async () => {
    const executor = host({ follow: () => failing("script") });
    assert.equal((await failureOf(run(executor))).kind, "script");
    assert.equal(executor.asked("follow").length, 1);
  });

  it("is looked for as long as it can take, and then left with what it does alone and how to look", async () => {
    const executor = host({ follow: () => failing("lost") });
    const failure = await failureOf(run(executor));
    assert.equal(failure.kind, "lost");
    assert.match(
      failure.message,
      /^No connection to fake for 160 s while it did activate-\S+\. The host goes on by itself: without a confirmation it goes back\. To look: `pulumi preview`, or on the host: `journalctl -u nixos-promote-activate`, \S+\/log\. The last attempt: lost!$/,
    );
    const tries = executor.asked("follow").length;
    assert.ok(tries > 150 && tries < 170, String(tries));
  });

  it("does not lose patience while the operator's machine sleeps", async () => {
    const sleepy = host({});
    const { now } = Date;
    let asleep = 0;
    sleepy.run = async (text, input, options) => {
      if (isFollow(input) && asleep < 3) {
        asleep += 1;
        throw failing("timeout");
      }
      return FakeExecutor.prototype.run.call(sleepy, text, input, options);
    };
    const told = withoutWaiting(() => {
      const jumping = Date.now;
      Date.now = () => jumping() + asleep * 3_600_000;
      return runJob(sleepy, job());
    });
    assert.deepEqual(await told, { answer: 42 });
    assert.equal(asleep, 3);
    assert.equal(Date.now, now);
  });

  it("that may have been started is looked for, although nobody answers any more", async () => {
    const executor = host({
      start: ({ argument }, turn) =>
        turn === 0
          ? failing("lost")
          : turn < 4
            ? failing("unreachable")
            : startedAs(argument.get("id")),
    });
    assert.deepEqual(await run(executor), { answer: 42 });
    assert.equal(
      new Set(executor.asked("start").map(({ argument }) => argument.get("id"))).size,
      1,
    );
  });

  it("says who we are and what it is for", async () => {
    const executor = host({});
    await run(executor);
    const argument = executor.asked("start")[0]?.argument;
    assert.equal(argument?.get("by.user"), ourselves().user);
    assert.equal(argument?.get("by.pid"), String(process.ppid));
    assert.equal(argument?.get("what"), "release 9ace77e00000 say hello");
    assert.equal(argument?.get("contract"), contractOf({ toplevel: "/nix/store/x" }));
  });

  it("that is over when it has been started costs one question", async () => {
    const executor = host({
      start: ({ argument }) => ({ ...done, started: true, id: argument.get("id") }),
    });
    assert.deepEqual(await run(executor), { answer: 42 });
    assert.deepEqual(
      executor.calls.map(({ command }) => command),
      ["start"],
    );
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

  it("is given up with where to look, when it does not end in its time", async () => {
    const follow = async () => {
      await new Promise((wake) => setTimeout(wake, 20_000));
      return status({ version: 1 });
    };
    const executor = host({});
    executor.run = async (text, input, options) =>
      isFollow(input)
        ? JSON.stringify(await follow())
        : FakeExecutor.prototype.run.call(executor, text, input, options);
    const failure = await failureOf(run(executor));
    assert.equal(failure.kind, "timeout");
    assert.match(
      failure.message,
      /still not done after 160 s\. It goes on there by itself: without a confirmation it goes back\. To look: /,
    );
  });
});
