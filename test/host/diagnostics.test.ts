// What an operator reads of a journal, without a host.
import assert from "node:assert/strict";
import { bash } from "./local-bash.ts";

describe("the journal in the diagnostics", () => {
  const folded = async (lines: readonly string[]): Promise<string[]> => {
    const main = "fold_repeats >&3 <<'END'\n" + `${lines.join("\n")}\nEND`;
    return (await bash(["lib.sh", "diagnostics.sh"], main)).lines;
  };

  it("counts a line that comes again and again", async () => {
    assert.deepEqual(
      await folded(["T1 prod app[1]: 503", "T2 prod app[1]: 503", "T3 prod app[1]: 503"]),
      ["T1 prod app[1]: 503", "    (the same 2 times more, until T3)"],
    );
  });

  it("shows what differs, in its order", async () => {
    const lines = [
      "T1 prod app[1]: a",
      "T2 prod app[1]: b",
      "T3 prod app[1]: a",
      "T4 prod app[2]: a",
    ];
    assert.deepEqual(await folded(lines), lines);
  });
});
