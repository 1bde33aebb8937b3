import assert from "node:assert/strict";
import { Failure } from "../../providers/errors.ts";
import { Interruption } from "../../providers/nixos/interruption.ts";
import { PartialFailure } from "../../providers/nixos/resource.ts";
import { Fleet, type Part } from "../../providers/nixos/rollout.ts";

const part = (host: string, more: Partial<Part> = {}): Part => ({
  ...{ host, wave: "one", onFailure: "stop", maxInFlight: 2 },
  ...more,
});
const pause = () => new Promise((resolve) => setTimeout(resolve, 5));

describe("the hosts of a fleet in one run", () => {
  it("have turns: never more at a time than maxInFlight, and each has its own", async () => {
    const fleet = new Fleet();
    let [running, most, done] = [0, 0, 0];
    const work = async () => {
      running += 1;
      most = Math.max(most, running);
      await pause();
      running -= 1;
      done += 1;
    };
    await Promise.all(
      ["a", "b", "c", "d", "e"].map((host) => fleet.run("switch", part(host), work)),
    );
    assert.deepEqual([most, done], [2, 5]);
  });

  it("are fewer at a time where others cannot be reached, and none where as many as may be out are", async () => {
    const fleet = new Fleet();
    let [running, most] = [0, 0];
    const work = async () => {
      running += 1;
      most = Math.max(most, running);
      await pause();
      running -= 1;
    };
    const limits = { maxInFlight: 9, maxUnavailable: 2 };
    fleet.isOut("x", true);
    await Promise.all(["a", "b", "c"].map((host) => fleet.run("switch", part(host, limits), work)));
    assert.equal(most, 1);
    fleet.isOut("y", true);
    await assert.rejects(
      fleet.run("switch", part("a", limits), work),
      /^Failure: \[fleet\.maxUnavailable\] a was not begun: x, y cannot be reached/,
    );
    fleet.isOut("x", false);
    await fleet.run("switch", part("a", limits), work);
  });

  it("begins nobody after a Ctrl-C, and leaves those that are at it to their own end", async () => {
    const interrupted = new Interruption();
    const fleet = new Fleet(interrupted);
    const begun: string[] = [];
    const ended = ["a", "b", "c", "d"].map((host) =>
      fleet.run("switch", part(host, { onFailure: "rollbackAll" }), async () => {
        begun.push(host);
        await pause();
        fleet.hasMoved({ host, wave: "one", goBack: () => assert.fail("it went back") });
      }),
    );
    const all = Promise.allSettled(ended);
    await new Promise((soon) => setImmediate(soon));
    interrupted.happen();
    const results = await all;
    assert.deepEqual(begun, ["a", "b"]);
    assert.deepEqual(
      results.map((result) => (result.status === "rejected" ? result.reason.message : "moved")),
      [
        ...["moved", "moved"],
        ...["c", "d"].map(
          (host) => `${host} was left as it was: you have interrupted before it was begun.`,
        ),
      ],
    );
    await assert.rejects(
      fleet.judge({ wave: "one", onFailure: "stop", maxInFlight: 2 }, pause),
      /the wave one was left as it was: you have interrupted/,
    );
  });

  /** Hosts a and b take it in the wave one, c in two; d fails there while e is at it; f has not begun. */
  async function story(onFailure: Part["onFailure"]) {
    const fleet = new Fleet();
    const back: string[] = [];
    const moves = (host: string, wave: string) => async () => {
      await pause();
      fleet.hasMoved({
        ...{ host, wave },
        goBack: async () => {
          back.push(host);
          return `${host} went back`;
        },
      });
    };
    const go = (host: string, wave: string) =>
      fleet.run("switch", part(host, { wave, onFailure }), moves(host, wave));
    await Promise.all([go("a", "one"), go("b", "one")]);
    await go("c", "two");
    let begun = false;
    const all = await Promise.allSettled([
      fleet.run("switch", part("d", { wave: "two", onFailure }), async () => {
        throw new PartialFailure("d", { live: "old" }, ["d did not take it"]);
      }),
      go("e", "two"),
      fleet.run("switch", part("f", { wave: "two", onFailure }), async () => {
        begun = true;
      }),
      fleet.judge(part("", { wave: "three", onFailure }), pause).catch(() => "refused"),
    ]);
    assert.equal(begun, false);
    const [failed, ended, alone] = all;
    assert.equal(ended?.status, "fulfilled");
    assert.match(
      String(alone?.status === "rejected" && alone.reason),
      /f was left as it was: d failed/,
    );
    const error = failed?.status === "rejected" ? (failed.reason as PartialFailure) : undefined;
    assert.ok(error instanceof PartialFailure);
    assert.deepEqual(error.properties, { live: "old" });
    return { back: back.sort(), said: error.reasons.join("\n") };
  }

  it("stay where they are with stop: no other is begun, and those at it come to their end", async () => {
    const { back, said } = await story("stop");
    assert.deepEqual(back, []);
    assert.match(
      said,
      /^d did not take it\nThe wave two failed, and \[fleet.onFailure\] is stop\./,
    );
    assert.match(said, /left there: a, b, c, e\./);
  });

  it("go back with those of their wave with rollbackWave, also those that were at it", async () => {
    const { back, said } = await story("rollbackWave");
    assert.deepEqual(back, ["c", "e"]);
    assert.match(said, /c went back\ne went back\n.*left there: a, b\./);
  });

  it("all go back with rollbackAll", async () => {
    const { back } = await story("rollbackAll");
    assert.deepEqual(back, ["a", "b", "c", "e"]);
  });

  it("carry the policy out once, however many fail, and each failure tells its own", async () => {
    const fleet = new Fleet();
    let times = 0;
    fleet.hasMoved({ host: "a", wave: "one", goBack: async () => `back ${++times}` });
    const how = { onFailure: "rollbackAll" as const };
    const fail = (host: string) =>
      fleet.run("switch", part(host, how), async () => {
        await pause();
        throw new Failure("lost", `${host} is lost`);
      });
    const all = await Promise.allSettled([fail("b"), fail("c")]);
    const said = all.map((one) => (one.status === "rejected" ? one.reason.message : ""));
    assert.equal(times, 1);
    assert.match(said[0], /^b is lost\nThe wave one failed[\s\S]*back 1/);
    assert.equal(said[1], "c is lost");
  });
});
