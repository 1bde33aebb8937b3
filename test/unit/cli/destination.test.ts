import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { destination } from "../../../cli/destination.ts";
import { EXIT, UsageError } from "../../../cli/exit-code.ts";

describe("where an answer goes", () => {
  let cwd: string;
  beforeEach(() => {
    cwd = mkdtempSync(join(tmpdir(), "destination-"));
  });
  afterEach(() => rmSync(cwd, { recursive: true }));

  it("is nowhere unless an option says so", () => {
    assert.equal(destination({ cwd, flags: {} }, "html"), undefined);
  });

  it("is from the directory of the command, and nothing is there before the answer is", () => {
    const flags = { html: "report.html" };
    assert.equal(destination({ cwd, flags }, "html"), join(cwd, "report.html"));
    assert.deepEqual(readdirSync(cwd), []);
  });

  for (const [what, file, why] of [
    ["in a directory that is not there", "no/such.json", /there is no directory .*\/no\./],
    ["a directory", ".", /it is a directory\./],
  ] as const)
    it(`is refused before the work if it is ${what}`, () => {
      assert.throws(
        () => destination({ cwd, flags: { output: file } }, "output"),
        (error) => {
          assert.ok(error instanceof UsageError);
          assert.equal(error.code, EXIT.usage);
          assert.ok(error.message.startsWith(`--output ${file} cannot be written: `));
          assert.match(error.message, why);
          return true;
        },
      );
    });
});
