import assert from "node:assert/strict";
import { Failure, type FailureKind } from "../../providers/errors.ts";
import { Either } from "../../providers/executors/either.ts";
import type { Executor } from "../../providers/executors/executor.ts";
import { scriptOf } from "../../providers/executors/script.ts";

const MACHINE = "0123456789abcdef0123456789abcdef";
const OPTIONS = { timeoutSeconds: 5, fresh: false };

/** A way that is open, or closed in some manner, as the test goes on. */
class FakeWay implements Executor {
  readonly host: string;
  readonly kind = "ssh";
  closed: FailureKind | undefined;
  machineId = MACHINE;
  asked: string[] = [];

  constructor(host: string, closed?: FailureKind) {
    this.host = host;
    this.closed = closed;
  }

  async run(script: string): Promise<string> {
    if (this.closed !== undefined)
      throw new Failure(this.closed, `${this.host} is ${this.closed}.`);
    if (script === scriptOf("observe")) return JSON.stringify({ machineId: this.machineId });
    this.asked.push(script);
    return this.host;
  }

  close(): void {}
}

describe("two ways to one machine", () => {
  let [first, second] = [new FakeWay("ssh"), new FakeWay("ssm")];
  let ways = new Either(first, second, MACHINE);
  const ask = (what: string) => ways.begin().run(what, "", OPTIONS);
  beforeEach(() => {
    [first, second] = [new FakeWay("ssh"), new FakeWay("ssm")];
    ways = new Either(first, second, MACHINE);
  });

  it("the first is used as long as it is open", async () => {
    assert.equal(await ask("a"), "ssh");
    assert.equal(ways.detour, undefined);
    assert.deepEqual(second.asked, []);
  });

  for (const kind of ["unreachable", "auth"] as const)
    it(`the second is used when the first is closed (${kind}), and why is known`, async () => {
      first.closed = kind;
      assert.equal(await ask("a"), "ssm");
      assert.equal(
        ways.detour,
        `[host.connection] ssh is ${kind}. Going over [host.fallback], ssm, which leads to the same machine.`,
      );
    });

  for (const kind of ["host-key", "timeout", "lost", "script", "refused"] as const)
    it(`the second is not asked when the first has failed otherwise (${kind})`, async () => {
      first.closed = kind;
      await assert.rejects(ask("a"), new RegExp(`ssh is ${kind}`));
      assert.equal(ways.detour, undefined);
    });

  it("what has begun over one way does not change it", async () => {
    const work = ways.begin();
    assert.equal(await work.run("start", "", OPTIONS), "ssh");
    first.closed = "unreachable";
    await assert.rejects(
      work.run("follow", "", OPTIONS),
      /\[host\.connection\] ssh is unreachable/,
    );
    assert.equal(await ask("observe again"), "ssm");
    await assert.rejects(work.run("follow", "", OPTIONS), /ssh is unreachable/);
    first.closed = undefined;
    assert.equal(await work.run("follow", "", OPTIONS), "ssh");
  });

  it("what may have begun over one way does not change it either", async () => {
    const work = ways.begin();
    first.closed = "lost";
    await assert.rejects(work.run("start", "", OPTIONS), /ssh is lost/);
    first.closed = "unreachable";
    await assert.rejects(work.run("start", "", OPTIONS), /ssh is unreachable/);
  });

  it("work that finds the first closed goes over the second to its end", async () => {
    first.closed = "unreachable";
    const work = ways.begin();
    assert.equal(await work.run("start", "", OPTIONS), "ssm");
    first.closed = undefined;
    assert.equal(await work.run("follow", "", OPTIONS), "ssm");
    assert.equal(work.host, "ssm");
  });

  it("the first is used again when the second closes", async () => {
    first.closed = "unreachable";
    await ask("a");
    [first.closed, second.closed] = [undefined, "unreachable"];
    assert.equal(await ask("b"), "ssh");
    assert.equal(ways.detour, undefined);
  });

  it("both closed are one error that names both", async () => {
    [first.closed, second.closed] = ["auth", "unreachable"];
    const said = "[host.connection] ssh is auth. [host.fallback] ssm is unreachable.";
    await assert.rejects(ask("a"), { kind: "unreachable", message: said });
    await Promise.all([assert.rejects(ask("b"), { message: said }), assert.rejects(ask("c"))]);
  });

  it("another machine behind the second is refused with both identities, and asked nothing", async () => {
    first.closed = "unreachable";
    second.machineId = "f".repeat(32);
    await assert.rejects(ask("a"), ({ kind, message }: Failure) => {
      assert.equal(kind, "refused");
      assert.match(message, /^\[host\.fallback\] leads to another machine \(f{32}\)/);
      assert.ok(message.includes(MACHINE), message);
      return true;
    });
    assert.deepEqual(second.asked, []);
  });
});
