// Jobs: whoever started one may go away, repeat himself, or come too late.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { jobRecord } from "../../contract/job-record.ts";
import { type Lab, type LabHost, openLab } from "../../lab/lab.ts";
import { type Argument, flatten } from "../../providers/executors/argument.ts";
import { scriptOf } from "../../providers/executors/script.ts";
import { type Answer, ask, eventually, finish, follow, newId, reach } from "./on-host.ts";

const ALICE = { user: "alice", host: "laptop", pid: "4711", stack: "prod" };

/** A job of our own: counts to `steps`, and does what `at` says when it is there. */
const COUNT = `${scriptOf("observe").slice(0, scriptOf("observe").indexOf("declare -A unit=()"))}
main() {
  trap 'fail cancelled "Told to stop."' TERM
  local i
  for ((i = 1; i <= \${arg[steps]}; i++)); do
    status counting "at $i" text "\${arg[text]-}"
    if [[ $i == "\${arg[dieAt]-}" ]]; then echo "the last words" >&2; return 7; fi
    nap 0.1
  done
  json_object text:s "\${arg[text]-}"
  answer "$REPLY"
}
main
`;

describe("jobs on a host", function () {
  this.timeout(60_000);
  let lab: Lab;
  let host: LabHost;

  before("a lab", async function () {
    this.timeout(300_000);
    lab = await openLab({ instance: process.env["TEST_LAB"] ?? "test" });
    host = lab.host("prod");
  });
  after(() => lab?.close());

  function count(
    id: string,
    argument: { [key: string]: Argument },
    unit = "nixos-promote-count",
    more: { [key: string]: Argument } = {},
  ): Promise<Answer> {
    return ask(host, "start", {
      id,
      unit,
      script: COUNT,
      argument: flatten(argument),
      timeoutSeconds: 30,
      ...more,
    });
  }

  function isStart({ started, id, state }: Answer, expected: Answer): void {
    assert.deepEqual({ started, id, state }, expected);
  }

  const codeOf = (answer: Answer | null) => (answer?.["error"] as Answer | undefined)?.["code"];

  it("run to their result, and tell what they do on the way", async () => {
    const id = newId("count");
    const text = "$(id) `id` \"'\n\t\\ größe";
    isStart(await count(id, { steps: 20, text }), { started: true, id, state: "running" });
    const seen: string[] = [];
    const ended = await finish(host, id, (state) => {
      assert.equal(state.fields["text"], text);
      seen.push(`${state.step} ${state.message}`);
    });
    assert.ok(seen.length > 0 && seen.every((line) => /^counting at \d+$/.test(line)), seen.join());
    assert.equal(ended.state, "finished");
    assert.deepEqual(ended.result, { text });
    // The result is told at once; the process may need a moment more to end.
    await eventually("its exit code is known", async () => (await follow(host, id)).exitCode === 0);
  });

  it("run once, however often the start is delivered", async () => {
    const id = newId("count");
    const answers = await Promise.all([1, 2, 3].map(() => count(id, { steps: 5 })));
    assert.equal(answers.filter(({ started }) => started).length, 1);
    await finish(host, id);
    isStart(await count(id, { steps: 5 }), { started: false, id, state: "finished" });
  });

  it("keep others out of their unit, with who, where and since when", async () => {
    const id = newId("count");
    const who = { by: ALICE, what: "counting for a test", contract: "c1" };
    await count(id, { steps: 20 }, undefined, who);
    await reach(host, id, "counting");
    const { error } = (await count(newId("count"), { steps: 1 })) as { error: Answer };
    assert.equal(error["code"], "busy");
    const time = "\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d UTC";
    assert.match(
      String(error["message"]),
      new RegExp(
        `^choiros-prod is busy with ${id} \\(counting for a test\\), started by alice@laptop \\(process 4711, stack prod\\) at ${time}: ` +
          `it is at the step 'counting' since ${time}\\. Nothing was changed\\.$`,
      ),
    );
    const { by, contract, step } = jobRecord.parse(error["details"]);
    assert.deepEqual({ by, contract, step }, { by: ALICE, contract: "c1", step: "counting" });
    await finish(host, id);
    const next = newId("count");
    assert.equal((await count(next, { steps: 1 }))["started"], true);
    await finish(host, next);
  });

  it("let one in when two come at the same moment: the other one reads who was first", async () => {
    const ids = [newId("count"), newId("count")];
    const answers = await Promise.all(
      ids.map((id) => count(id, { steps: 10 }, undefined, { by: ALICE })),
    );
    assert.equal(answers.filter(({ started }) => started === true).length, 1);
    const refused = answers.find(({ error }) => error !== undefined) as { error: Answer };
    assert.match(String(refused.error["message"]), /busy with count-.* started by alice@laptop/);
    const first = answers.find(({ started }) => started === true);
    await finish(host, String(first?.["id"]));
  });

  it("keep what they are told of their operator as data, cut to a length", async () => {
    const id = newId("count");
    const evil = "$(touch /tmp/owned)`id`\"\\'; \n\t\r\u001b[31m größe %s ";
    const by = { user: evil, host: evil, pid: evil, stack: "x".repeat(5000) };
    await count(id, { steps: 20 }, undefined, { by, what: evil, contract: evil });
    await reach(host, id, "counting");
    const { error } = (await count(newId("count"), { steps: 1 })) as { error: Answer };
    const { by: told, what } = jobRecord.parse(error["details"]);
    assert.equal(what, evil.replace(/\p{Cc}/gu, " "));
    assert.equal(told?.user, what);
    assert.equal(told?.stack.length, 200);
    assert.doesNotMatch(String(error["message"]), /\p{Cc}/u);
    assert.notEqual((await host.exec(["test", "-e", "/tmp/owned"])).code, 0);
    await finish(host, id);
  });

  it("answer their start with the first news, and when they are quick with their end", async () => {
    const wait = { waitSeconds: 5, settleSeconds: 1 };
    const quick = newId("count");
    const ended = await count(quick, { steps: 2, text: "x" }, undefined, wait);
    isStart(ended, { started: true, id: quick, state: "finished" });
    assert.deepEqual(ended["result"], { text: "x" });
    const slow = newId("count");
    const news = await count(slow, { steps: 40 }, undefined, wait);
    isStart(news, { started: true, id: slow, state: "running" });
    assert.ok(Number(news["version"]) > 4, "it did not wait for more than the first news");
    await finish(host, slow);
  });

  it("are told apart when they fail: the exit code and the end of the log", async () => {
    const id = newId("count");
    await count(id, { steps: 5, dieAt: 2 });
    const ended = await finish(host, id);
    assert.equal(ended.state, "finished");
    assert.equal(ended.result, null);
    assert.equal(ended.exitCode, 7);
    assert.match(ended.logTail ?? "", /the last words/);
  });

  it("are lost, not running, after a kill; the next one runs all the same", async () => {
    const id = newId("count");
    await count(id, { steps: 100 });
    await reach(host, id, "counting");
    await host.must(["systemctl", "kill", "--signal=KILL", "nixos-promote-count"]);
    await eventually("the job is lost", async () => (await follow(host, id)).state === "lost");
    assert.match((await follow(host, id)).logTail ?? "", /counting/);
    isStart(await count(id, { steps: 1 }), { started: false, id, state: "lost" });
    const next = newId("count");
    assert.equal((await count(next, { steps: 1 }))["started"], true);
    assert.equal((await finish(host, next)).state, "finished");
  });

  it("are lost after a power cut", async () => {
    const id = newId("count");
    await count(id, { steps: 100 });
    await reach(host, id, "counting");
    await host.powerCut();
    await host.boot();
    assert.equal((await follow(host, id)).state, "lost");
  });

  it("stop when they are told to", async () => {
    const id = newId("count");
    await count(id, { steps: 100 });
    await reach(host, id, "counting");
    assert.deepEqual(await ask(host, "cancel", { id }), {
      cancelled: true,
      decision: "cancelled",
      step: "counting",
    });
    const ended = await finish(host, id);
    assert.equal(codeOf(ended.result), "cancelled");
    assert.deepEqual(await ask(host, "cancel", { id }), {
      cancelled: false,
      decision: null,
      step: "counting",
    });
  });

  it("end at their time limit", async () => {
    const id = newId("count");
    const start = {
      id,
      unit: "nixos-promote-count",
      script: COUNT,
      argument: flatten({ steps: 200 }),
    };
    await ask(host, "start", { ...start, timeoutSeconds: 1 });
    const ended = await finish(host, id);
    assert.equal(codeOf(ended.result), "cancelled");
  });

  it("are waited for without a busy host: news come at once, silence lasts as long as asked", async () => {
    const id = newId("count");
    await count(id, { steps: 30 });
    const first = await reach(host, id, "counting");
    const began = Date.now();
    const second = await follow(host, id, first.version, 10);
    assert.ok(second.version > first.version);
    assert.ok(Date.now() - began < 3_000);
    await finish(host, id);
  });

  it("hold no connection: nothing of the caller is left on the host", async () => {
    const id = newId("count");
    await count(id, { steps: 40 });
    await sleep(300);
    const holders = await host.must([
      "bash",
      "-c",
      'readlink /proc/$(cat /var/lib/nixos-promote/jobs/"$1"/pid)/fd/*',
      "bash",
      id,
    ]);
    assert.doesNotMatch(holders.replace(/pipe:\[\d+\]\n/, ""), /pipe:/);
    assert.match(holders, /jobs\/.*\/log/);
    await finish(host, id);
  });

  it("of the past are forgotten after twenty", async () => {
    for (let i = 0; i < 22; i++)
      await host.must(["mkdir", "-p", `/var/lib/nixos-promote/jobs/old-${i}`]);
    const id = newId("count");
    await count(id, { steps: 1 });
    await finish(host, id);
    const left = (await host.must(["ls", "/var/lib/nixos-promote/jobs"])).trim().split("\n");
    assert.equal(left.length, 20);
    assert.ok(left.includes(id));
  });

  it("with names that are none are refused", async () => {
    for (const id of ["", "../x", "-x", "a b", "a/b", "$(id)", ".", "x".repeat(300)]) {
      const { error } = (await count(id, { steps: 1 })) as { error: Answer };
      assert.equal(error["code"], "bad-argument", id);
    }
    for (const unit of ["sshd.service", "nixos-promote-", "nixos-promote-a b", "nixos-promote-*"]) {
      const { error } = (await count(newId("count"), { steps: 1 }, unit)) as { error: Answer };
      assert.equal(error["code"], "bad-argument", unit);
    }
    assert.equal((await follow(host, "never-was")).state, "absent");
  });
});
