import assert from "node:assert/strict";
import { type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parse } from "../run/arguments.ts";
import { ROOM_NAMES } from "../run/rooms.ts";

const ROOT = join(import.meta.dirname, "../..");

describe("npm test", function () {
  this.timeout(20_000);
  let project: Project;
  beforeEach(() => {
    project = new Project();
  });
  afterEach(() => project.discard());

  it("adds up what all rooms came to, in its last line", () => {
    project.tests("unit/a", 'it("is right", () => {}); it.skip("is left out", () => {});');
    project.tests("program/b", 'it("is wrong", () => { throw new Error("because"); });');
    const { status, stdout } = project.run("--only", "unit,program");
    assert.equal(status, 1);
    assert.equal(lastLine(stdout), "1 passed, 1 failed, 1 skipped");
    assert.match(stdout, /program › is wrong\n +Error: because/);
  });

  it("says why a test was skipped", () => {
    const skip = `import { skip } from "../run/skip.ts";`;
    project.tests("unit/a", `${skip} it("needs aws", function () { skip(this, "no plugin"); });`);
    project.tests(
      "unit/b",
      `${skip} describe("all", () => {
        before(function () { skip(this, "no cloud"); });
        it("needs a cloud", () => {});
        it("needs it, too", () => {});
      });`,
    );
    const { stdout } = project.run("--only", "unit");
    assert.match(stdout, /unit › needs aws: no plugin/);
    assert.match(stdout, /unit › all › needs a cloud \(and 1 more of it\): no cloud/);
  });

  it("names what failed once more right before the end", () => {
    const wrong = (why: string) => `throw new Error("${why}\\nand then");`;
    project.tests(
      "unit/a",
      `it("one", () => { ${wrong("a")} }); it("two", () => { ${wrong("b")} });`,
    );
    const { stdout } = project.run("--only", "unit");
    assert.match(
      stdout,
      /\nFailed:\n {2}✗ unit › one: Error: a\n {2}✗ unit › two: Error: b\n\nThis took .*\n0 passed, 2 failed/,
    );
  });

  it("succeeds when tests passed and none failed", () => {
    project.tests("unit/a", String.raw`it("has \u2028 and \n in its title", () => {});`);
    assert.equal(project.run("--only", "unit").status, 0);
  });

  it("fails when nothing ran", () => {
    project.tests("unit/a", 'it("is right", () => {});');
    for (const args of [
      ["--grep", "absent"],
      ["--only", "program"],
    ]) {
      const { status, stdout } = project.run("--only", "unit", ...args);
      assert.deepEqual([status, lastLine(stdout)], [1, "0 passed, 0 failed, 0 skipped"]);
    }
  });

  it("fails when a file cannot be loaded, though others passed", () => {
    project.tests("unit/a", 'it("is right", () => {});');
    project.tests("unit/b", 'throw new Error("broken");');
    const { status, stdout } = project.run("--only", "unit");
    assert.equal(status, 1);
    assert.match(stdout, /The tests of test\/unit ended before its last test/);
  });

  it("fails when a hook fails", () => {
    project.tests("unit/a", 'before(() => { throw new Error("no"); }); it("is right", () => {});');
    assert.equal(lastLine(project.run("--only", "unit").stdout), "0 passed, 1 failed, 0 skipped");
  });

  it("refuses it.only, which would leave out the rest unseen", () => {
    project.tests("unit/a", 'it.only("is right", () => {}); it("is left out", () => {});');
    assert.equal(project.run("--only", "unit").status, 1);
  });

  it("fails a room whose lab cannot be had, and says why", () => {
    project.tests("e2e/a", 'it("is right", () => {});');
    project.write("setup/setup.sh", "echo 'Debian, where art thou' >&2; exit 3");
    const { status, stdout } = project.run("--only", "e2e");
    assert.equal(status, 1);
    assert.match(stdout, /not ready for them\.\n +Debian, where art thou/);
  });

  it("runs files of the faults side by side, each with a lab of its own, and shows each as a whole", () => {
    project.write("setup/setup.sh", "exit 0");
    for (const [own, other] of ["ab", "ba"] as const) {
      project.tests(
        `faults/${own}`,
        `import { existsSync, writeFileSync } from "node:fs";
        describe("file ${own}", () => {
          it("waits for the other", async () => {
            writeFileSync("${own}", process.env.TEST_LAB);
            while (!existsSync("${other}")) await new Promise((wake) => setTimeout(wake, 10));
          });
          it("has a second test", () => {});
        });`,
      );
    }
    const { status, stdout } = project.run("--only", "faults");
    assert.equal(status, 0, stdout);
    for (const file of "ab")
      assert.match(stdout, new RegExp(`  file ${file}\n    ✓ waits .*\n    ✓ has a second test\n`));
    assert.deepEqual([project.read("a"), project.read("b")].sort(), ["faults-1", "faults-2"]);
    assert.equal(lastLine(stdout), "4 passed, 0 failed, 0 skipped");
  });

  it("ends all of them at Ctrl-C", async () => {
    project.write("setup/setup.sh", "exit 0");
    const hang = `import { spawn } from "node:child_process";
      it("hangs", function (done) {
        this.timeout(0);
        spawn("sleep", ["61"], { stdio: "inherit" }).once("spawn", () => console.log("hanging"));
      });`;
    for (const file of ["faults/a", "faults/b"]) project.tests(file, hang);
    const run = project.start("--only", "faults");
    let hanging = 0;
    run.stdout.on("data", (data) => {
      hanging += `${data}`.split("hanging").length - 1;
      if (hanging === 2 && !run.killed) run.kill("SIGINT");
    });
    assert.deepEqual(await once(run, "close"), [130, null]);
  });

  it("names the tests with --list and runs none", () => {
    project.tests("unit/a", 'it("would fail", () => { throw new Error(); });');
    project.tests("e2e/b", 'it("would need a lab", () => {});');
    const { status, stdout } = project.run("--list", "--only", "unit,e2e");
    assert.equal(status, 0);
    assert.match(stdout, /would fail\n(.|\n)*would need a lab\n/);
  });

  it("runs a room that takes too long for every run when it is named, by the tests of another", () => {
    assert.deepEqual(
      ROOM_NAMES.filter((name) => !parse([]).rooms.includes(name)),
      ["faults-ssm-all"],
    );
    project.write("setup/setup.sh", "exit 0");
    project.tests("faults/a", "it(`goes over ${process.env.TEST_EXECUTOR}`, () => {});");
    const { stdout } = project.run("--only", "faults-ssm-all");
    assert.match(stdout, /✓ goes over awsSsm/);
  });

  it("refuses options and rooms that do not exist", () => {
    for (const args of [["--fast"], ["--only", "attic"], ["--grep", "("], ["unit"]]) {
      assert.equal(project.run(...args).status, 2, args.join(" "));
    }
  });

  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    it(`ends with all it has started at ${signal}, and still gives the totals`, async () => {
      project.tests(
        "unit/a",
        `import { spawn } from "node:child_process";
        it("was in time", () => {});
        it("hangs", function (done) {
          this.timeout(0);
          spawn("sleep", ["61"], { stdio: "inherit" }).once("spawn", () => console.log("hanging"));
        });`,
      );
      const run = project.start("--only", "unit");
      let said = "";
      run.stdout.on("data", (data) => {
        said += data;
        if (`${data}`.includes("hanging")) run.kill(signal);
      });
      // "close" comes when nobody holds the output any more: neither mocha nor its `sleep`.
      assert.deepEqual(await once(run, "close"), [code, null]);
      assert.match(lastLine(said), /^1 passed, \d failed, 0 skipped$/);
    });
  }
});

/** A project that has the runner and tests of its own. */
class Project {
  private readonly root = mkdtempSync(join(tmpdir(), "runner-test-"));

  constructor() {
    cpSync(join(ROOT, "test/run"), join(this.root, "test/run"), { recursive: true });
    cpSync(join(ROOT, "test/run.ts"), join(this.root, "test/run.ts"));
    symlinkSync(join(ROOT, "node_modules"), join(this.root, "node_modules"));
    this.write("package.json", '{"type": "module"}');
  }

  tests(name: string, code: string): void {
    this.write(`test/${name}.test.ts`, code);
  }

  write(file: string, text: string): void {
    mkdirSync(dirname(join(this.root, file)), { recursive: true });
    writeFileSync(join(this.root, file), text);
  }

  read(file: string): string {
    return readFileSync(join(this.root, file), "utf8");
  }

  run(...args: string[]): SpawnSyncReturns<string> {
    return spawnSync(process.execPath, ["test/run.ts", ...args], {
      cwd: this.root,
      encoding: "utf8",
      timeout: 15_000, // it blocks mocha, whose own limit cannot strike then
    });
  }

  start(...args: string[]) {
    return spawn(process.execPath, ["test/run.ts", ...args], { cwd: this.root });
  }

  discard(): void {
    rmSync(this.root, { recursive: true });
  }
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}
