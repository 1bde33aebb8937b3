import assert from "node:assert/strict";
import { Failure } from "../../providers/errors.ts";
import { interruption } from "../../providers/nixos/interruption.ts";
import { contractOf } from "../../providers/nixos/job.ts";
import { ourselves } from "../../providers/nixos/operator.ts";
import { FakeExecutor } from "../support/fake-executor.ts";
import { done, failing, failureOf, host, isFollow, job, run, status } from "../support/jobs.ts";

describe("the operator of a job", () => {
  afterEach(() => {
    interruption.happened = false;
  });

  describe("who finds the host busy", () => {
    const dead = { ...ourselves(), pid: String(2 ** 22 + 1) }; // beyond what Linux gives out
    const busy = (record: object) =>
      new Failure("refused", "choiros-prod is busy with activate-1.", {
        code: "busy",
        details: {
          ...{ id: "activate-1", by: dead, what: "release", path: null },
          ...{
            contract: contractOf(job().argument),
            startedAt: 1767225600,
            step: "health",
            since: 1,
          },
          ...record,
        },
      });

    it("with the same, whose process has ended, follows that", async () => {
      const executor = host({ start: () => busy({}) });
      const said: string[] = [];
      const attached: string[] = [];
      const told = run(executor, {
        say: (sentence) => void said.push(sentence),
        onAttached: ({ id }) => void attached.push(id),
      });
      assert.deepEqual(await told, { answer: 42 });
      assert.deepEqual(attached, ["activate-1"]);
      assert.equal(executor.asked("follow")[0]?.argument.get("id"), "activate-1");
      assert.match(
        said.join(),
        /^fake does this already: activate-1, started by \S+@\S+ \(process 4194305\) at 2026-01-01 00:00:00 UTC, whose process has ended\. Following it instead of starting another\.$/,
      );
    });

    const others: [string, object][] = [
      ["with another job", { contract: "another" }],
      [
        "with the same of somebody who is still there",
        { by: { ...dead, pid: String(process.pid) } },
      ],
      ["with the same of another machine", { by: { ...dead, host: "elsewhere" } }],
      ["with the same of another user", { by: { ...dead, user: "mallory" } }],
      ["with a job of nobody we know", { by: null }],
    ];
    for (const [what, record] of others)
      it(`${what} is refused, in the host's words`, async () => {
        const executor = host({ start: () => busy(record) });
        const failure = await failureOf(run(executor));
        assert.deepEqual(
          [failure.code, failure.message],
          ["busy", "choiros-prod is busy with activate-1."],
        );
        assert.equal(executor.calls.length, 1);
      });
  });

  describe("who is interrupted", () => {
    it("asks the job to stop once, and follows it until it has", async () => {
      const executor = host({
        follow: (_call, turn) => (turn < 4 ? status({ version: turn + 1 }) : done),
      });
      const told = run(executor, {
        onStatus: ({ version }) => {
          if (version === 2) interruption.happen();
        },
      });
      assert.deepEqual(await told, { answer: 42 });
      assert.deepEqual(
        executor.calls.map(({ command }) => command),
        ["start", "follow", "follow", "cancel", "follow", "follow", "follow"],
      );
    });

    it("asks at once, also while the host has nothing new to tell", async () => {
      const executor = host({});
      let end = (_: unknown) => {};
      executor.run = async (text, input, options) => {
        const { run: plain } = FakeExecutor.prototype;
        if (!isFollow(input)) {
          const answer = await plain.call(executor, text, input, options);
          end(undefined);
          return answer;
        }
        await new Promise((resolve) => {
          end = resolve;
          interruption.happen();
        });
        return plain.call(executor, text, input, options);
      };
      const said: string[] = [];
      const told = run(executor, { say: (sentence) => void said.push(sentence) });
      assert.deepEqual(await told, { answer: 42 });
      assert.equal(executor.asked("cancel").length, 1);
      assert.equal(said.length, 1);
      assert.match(
        said[0] ?? "",
        /^Asking fake to stop activate-\S+: it goes back to what ran before\. Ctrl-C again leaves the host to finish alone: it goes on by itself\. To look: /,
      );
    });

    it("says that a job which is decided already cannot be stopped", async () => {
      interruption.happen();
      const executor = host({ cancel: () => ({ cancelled: false, decision: "confirmed" }) });
      const said: string[] = [];
      await run(executor, { say: (sentence) => void said.push(sentence) });
      assert.match(said.at(-1) ?? "", /cannot be stopped any more: it is decided/);
    });

    it("asks again when the asking was cut off", async () => {
      interruption.happen();
      const executor = host({
        cancel: (_call, turn) => (turn === 0 ? failing("lost") : { cancelled: true, step: "test" }),
      });
      assert.deepEqual(await run(executor), { answer: 42 });
      assert.equal(executor.asked("cancel").length, 2);
    });
  });
});
