import assert from "node:assert/strict";
import { Failure } from "../../providers/errors.ts";
import { localExecutor } from "../../providers/executors/local.ts";
import { runProcess } from "../../providers/executors/process.ts";

const options = { timeoutSeconds: 10, fresh: false };

describe("a process", () => {
  it("gets its words as they are: no shell reads them", async () => {
    const ended = await runProcess(["printf", "%s", "$(id) `id` \"'\\ ; *"], "", 10);
    assert.equal(ended.stdout, "$(id) `id` \"'\\ ; *");
  });

  it("that does not exist ends without a code, and says so", async () => {
    const ended = await runProcess(["/no/such/program"], "", 10);
    assert.equal(ended.code, null);
    assert.match(ended.stderr, /ENOENT/);
  });

  it("that does not read its input is no error of ours", async () => {
    const ended = await runProcess(["true"], "x".repeat(1_000_000), 10);
    assert.equal(ended.code, 0);
  });

  it("that says too much on stderr is kept to 64 KiB", async () => {
    const ended = await runProcess(["sh", "-c", "head -c 300000 /dev/zero >&2"], "", 10);
    assert.equal(ended.stderr.length, 65536);
  });

  it("is ended when its time is up", async () => {
    const ended = await runProcess(["sleep", "20"], "", 0.1);
    assert.equal(ended.timedOut, true);
  });
});

describe("the local executor", () => {
  const executor = localExecutor();

  it("runs the script and gives it the rest of stdin", async () => {
    assert.equal(await executor.run("cat; echo $#", "größe\n", options), "größe\n0\n");
  });

  it("says with which exit a script failed, and its last words", async () => {
    await assert.rejects(
      executor.run("echo broken >&2; exit 3", "", options),
      (error) =>
        error instanceof Failure &&
        error.kind === "script" &&
        /exit 3: broken$/.test(error.message),
    );
  });

  it("gives up a script in time, also when a child of the script holds on", async () => {
    const begin = Date.now();
    await assert.rejects(
      executor.run("sleep 6; echo late", "", { ...options, timeoutSeconds: 0.2 }),
      (error) => error instanceof Failure && error.kind === "timeout",
    );
    assert.ok(Date.now() - begin < 4000, `${Date.now() - begin} ms`);
  }).timeout(8000);
});
