import assert from "node:assert/strict";
import { Failure } from "../../providers/errors.ts";
import { requireRoom } from "../../providers/nixos/room.ts";
import { PROD } from "../support/samples.ts";

const MIB = 1048576;
const missing = (bytes: number, free: number) => ({ bytes, free });

describe("room for a copy", () => {
  const table: [string, number, number, number, boolean][] = [
    ["is enough when the margin stays free to the byte", 10 * MIB, 74 * MIB, 64, true],
    ["is short by one byte", 10 * MIB, 74 * MIB - 1, 64, false],
    ["is enough for nothing, even on a full disk, without a margin", 0, 0, 0, true],
    ["is short when the paths alone do not fit", 2, 1, 0, false],
  ];
  for (const [what, bytes, free, margin, enough] of table)
    it(what, () => {
      const check = () => requireRoom(PROD, missing(bytes, free), margin);
      if (enough) assert.doesNotThrow(check);
      else assert.throws(check, Failure);
    });

  it("is refused with the setting, the figures, what the host runs and what to do", () => {
    assert.throws(
      () => requireRoom(PROD, missing(10 * MIB + 1, 20 * MIB - 1), 64),
      (error: Failure) => {
        assert.equal(error.kind, "refused");
        assert.equal(
          error.message,
          "[activation.preflight.diskMarginMiB] choiros-prod has 19 MiB free for its Nix store; the copy takes 11 MiB, " +
            "and 64 MiB must stay free. Nothing was copied, and the host runs what it ran. " +
            "Free some space there (nix-collect-garbage), or lower the setting.",
        );
        return true;
      },
    );
  });
});
