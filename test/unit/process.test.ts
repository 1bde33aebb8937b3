import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
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

  it("that only reads ends with us; any other goes on", async () => {
    const reading = leftBehind({ endsWithUs: true });
    const doing = leftBehind({ endsWithUs: false });
    assert.equal(isAlive(doing), true);
    process.kill(doing, "SIGKILL");
    for (let tries = 0; isAlive(reading) && tries < 100; tries++) await sleep(50);
    assert.equal(isAlive(reading), false);
  }).timeout(20_000);
});

/** The process that a program of ours had started when it ended. */
function leftBehind(options: { endsWithUs: boolean }): number {
  const file = new URL("../../providers/executors/process.ts", import.meta.url).href;
  const directory = mkdtempSync(`${tmpdir()}/nixos-promote-process-`);
  const sign = `${directory}/pid`;
  const program = `
import { existsSync } from "node:fs";
import { runProcess } from ${JSON.stringify(file)};
const argv = ["sh", "-c", 'echo $$ >"$0.new"; mv "$0.new" "$0"; exec sleep 20', ${JSON.stringify(sign)}];
runProcess(argv, "", 30, ${JSON.stringify(options)});
setInterval(() => existsSync(${JSON.stringify(sign)}) && process.exit(0), 20);`;
  const argv = ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", program];
  const { status, stderr } = spawnSync(process.execPath, argv, { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  const pid = Number(readFileSync(sign, "utf8"));
  rmSync(directory, { recursive: true });
  return pid;
}

function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

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
