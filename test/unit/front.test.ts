import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import type { SshConnection } from "../../contract/connection.ts";
import type { FrontInputs, FrontState, Member } from "../../contract/front.ts";
import { frontInputs } from "../../contract/front.ts";
import { verification } from "../../contract/traffic.ts";
import { askingFor } from "../../contract/who-answers.ts";
import { Failure } from "../../providers/errors.ts";
import { useExecutor } from "../../providers/executors/index.ts";
import type { Reporter } from "../../providers/nixos/engine.ts";
import { front } from "../../providers/nixos/front.ts";
import { PartialFailure } from "../../providers/nixos/resource.ts";
import { FakeExecutor, type Script } from "../support/fake-executor.ts";
import { GRIND, OTHER_REV, PROD, REV, SYSTEM_A, SYSTEM_B } from "../support/samples.ts";

const SPARE: SshConnection = { kind: "ssh", host: "choiros-spare" };
const [AT_PROD, AT_SPARE] = ["http://192.0.2.10:80", "http://192.0.2.11:80"];
const [PROXY_ID, SPARE_ID] = ["a".repeat(32), "b".repeat(32)];

function member(more: Partial<Member> = {}): Member {
  return {
    ...{ target: AT_SPARE, stack: "standby", healthy: true, healthySince: 1, machineId: SPARE_ID },
    release: { id: "id-1", rev: REV, toplevel: SYSTEM_B },
    examination: { connection: SPARE, probes: [{ name: "unit", kind: "unit", unit: "x.service" }] },
    ...more,
  };
}

/** A proxy that does as it is told, a spare host that is healthy, and people who ask who answers. */
class Front {
  file: FrontState = {
    ...{ machineId: PROXY_ID, target: AT_PROD, trial: false, before: null },
    ...{ running: true, connections: 0 },
  };
  spare: object | Error = { machineId: SPARE_ID, currentSystem: SYSTEM_B, reason: null };
  refuses: Partial<Record<string, object | Error>> = {};
  connections: (number | null)[] = [];
  steps: string[] = [];
  said: string[] = [];
  inputs: FrontInputs;
  readonly proxy: FakeExecutor;
  readonly report: Reporter = {
    progress: (text) => void this.said.push(`progress: ${text}`),
    info: (text) => void this.said.push(text),
    warn: (text) => void this.said.push(`warning: ${text}`),
  };

  constructor(url: string, more: Partial<FrontInputs> = {}) {
    const answers: Script = {
      front: () => ({ ...this.file, connections: this.connections.shift() ?? 0 }),
      "move-front": ({ argument }) => this.#move(Object.fromEntries(argument)),
    };
    this.proxy = new FakeExecutor(answers);
    useExecutor(GRIND, this.proxy);
    useExecutor(SPARE, new FakeExecutor({ health: () => this.spare }));
    const test = { kind: "http", name: "public", url, deadlineSeconds: 1 } as const;
    this.inputs = frontInputs.parse({
      ...{ connection: GRIND, file: "/var/lib/x/active.caddy", unit: "caddy.service" },
      ...{ active: "spare", minHealthySeconds: 0, drainSeconds: 0 },
      members: {
        prod: member({
          target: AT_PROD,
          stack: "prod",
          examination: { connection: PROD, probes: [] },
        }),
        spare: member(),
      },
      verify: [{ ...test, headers: { "x-served-by": "^%target%$" }, body: "release %shortRev%" }],
      ...more,
    });
  }

  #move(argument: Record<string, string>): object | Error {
    const { step = "", was, to = null } = argument;
    this.steps.push(step);
    const refusal = this.refuses[step];
    if (refusal !== undefined) return refusal;
    if (was !== this.file.target) throw new Error(`expected ${this.file.target}, was told ${was}`);
    const before = this.file.trial ? this.file.before : this.file.target;
    if (step === "move") this.file = { ...this.file, target: to, trial: true, before };
    if (step === "keep") this.file = { ...this.file, trial: false, before: null };
    if (step === "back") this.file = { ...this.file, target: before, trial: false, before: null };
    return this.file;
  }

  recorded(active = "prod") {
    const { target, trial } = { target: AT_PROD, trial: false };
    return { ...this.inputs, active, target, trial, machineId: PROXY_ID };
  }

  async flip() {
    const now = await front.refresh(this.recorded(), this.inputs, this.report);
    assert.ok(now !== undefined);
    return front.update(now, this.inputs, this.report);
  }
}

describe("the front of some hosts", () => {
  let server: Server;
  let url: string;
  let world: Front;
  /** Who answers; by default who the proxy's file names. */
  let answers: () => { by: string; rev?: string; status?: number };

  beforeEach(async () => {
    server = createServer((_request, response) => {
      const { by, rev = REV, status = 200 } = answers();
      response.writeHead(status, { "x-served-by": by.replace("http://", "") });
      response.end(`release ${rev.slice(0, 7)}`);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    world = new Front(url);
    answers = () => ({ by: world.file.target ?? "" });
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const untouched = (error: Error, message: RegExp) => {
    assert.match(error.message, message);
    assert.deepEqual(world.steps, []);
    return true;
  };
  const refusedWith = (message: RegExp) => (error: Error) =>
    error instanceof Failure && untouched(error, message);

  it("moves traffic, proves it, makes it good, in this order", async () => {
    const outputs = await world.flip();
    assert.deepEqual(world.steps, ["move", "keep"]);
    assert.deepEqual([outputs.active, outputs.target, outputs.trial], ["spare", AT_SPARE, false]);
    assert.match(world.said[0] ?? "", /^Public traffic goes from prod .* to spare /);
    assert.match(world.said.at(-1) ?? "", /^Public traffic goes to spare .*, and did to prod /);
  });

  it("is in sync when traffic goes where it should, whatever the stacks say meanwhile", async () => {
    world.inputs = { ...world.inputs, active: "prod" };
    const told = { ...world.inputs.members["prod"], healthy: false, release: null } as Member;
    const wanted = { ...world.inputs, members: { ...world.inputs.members, prod: told } };
    const now = await front.refresh(world.recorded(), wanted, world.report);
    assert.ok(now !== undefined);
    assert.deepEqual(front.diff(now, wanted), { changes: false });
    assert.deepEqual(world.said, []);
  });

  it("is changed by other settings without moving anything", async () => {
    world.inputs = { ...world.inputs, active: "prod" };
    const wanted = { ...world.inputs, drainSeconds: 7 };
    const now = await front.refresh(world.recorded(), wanted, world.report);
    assert.ok(now !== undefined);
    assert.deepEqual(front.diff(now, wanted), { changes: true });
    assert.equal((await front.update(now, wanted, world.report)).drainSeconds, 7);
    assert.deepEqual(world.steps, []);
  });

  describe("refuses, before anything is touched,", () => {
    const flips = (more: Partial<Member>, settings: Partial<FrontInputs> = {}) => {
      world.inputs = {
        ...world.inputs,
        ...settings,
        members: { ...world.inputs.members, spare: member(more) },
      };
      return world.flip();
    };
    const stays = "No traffic was moved: it goes to prod \\(http://192\\.0\\.2\\.10:80\\)\\.";

    for (const [what, more, settings, message] of [
      [
        "a host that is not healthy",
        { healthy: false },
        {},
        "standby does not say that it runs spare healthy",
      ],
      [
        "another release",
        { release: { id: "id-2", rev: OTHER_REV, toplevel: SYSTEM_A } },
        {},
        `prod runs release ${REV.slice(0, 12)}, and spare ${OTHER_REV.slice(0, 12)}`,
      ],
      [
        "another build of the same commit",
        { release: { id: "id-2", rev: REV, toplevel: SYSTEM_A } },
        {},
        `prod runs release ${REV.slice(0, 12)}, and spare another build of it`,
      ],
      [
        "another release than the one that is named",
        {},
        { release: OTHER_REV },
        `\\[traffic\\.release\\] spare is to run release ${OTHER_REV.slice(0, 12)}, and runs ${REV.slice(0, 12)}`,
      ],
      [
        "one that has not been healthy for long enough",
        { healthySince: Math.floor(Date.now() / 1000) },
        { minHealthySeconds: 3600 },
        "\\[traffic\\.minHealthySeconds\\] spare runs release \\w+ healthy for \\d+ s, and 3600 s are asked for",
      ],
      [
        "a stack that does not say how to see its health",
        { examination: null },
        {},
        "standby does not say how to see that spare is healthy",
      ],
    ] as const)
      it(what, () =>
        assert.rejects(flips(more, settings), refusedWith(new RegExp(`${message}.*${stays}`))),
      );

    for (const [what, spare, message] of [
      [
        "is not healthy when it is asked itself",
        { reason: "unit is not healthy: failed" },
        "spare is not fit to be active: unit is not healthy: failed",
      ],
      [
        "does not run what its stack has put there",
        { currentSystem: SYSTEM_A },
        "spare does not run what standby has put there",
      ],
      [
        "is another machine",
        { machineId: "c".repeat(32) },
        "spare is another machine \\(c{32}\\) than standby manages",
      ],
    ] as const)
      it(`one that ${what}`, () => {
        Object.assign(world.spare, spare);
        return assert.rejects(world.flip(), refusedWith(new RegExp(`${message}.*${stays}`)));
      });

    it("one that cannot be reached, and says what it wanted there", () => {
      world.spare = new Failure("unreachable", "no connection to choiros-spare.");
      return assert.rejects(
        world.flip(),
        refusedWith(
          new RegExp(
            `spare could not be seen to be healthy. ${stays}.* no connection to choiros-spare`,
          ),
        ),
      );
    });

    it("to work on a proxy that does not run", () => {
      world.file = { ...world.file, running: false };
      return assert.rejects(
        world.flip(),
        refusedWith(
          /\[traffic\.unit\] caddy\.service does not run on choiros-grind\. .* Start it first/,
        ),
      );
    });

    it("another proxy than the one that it was", async () => {
      const elsewhere: SshConnection = { kind: "ssh", host: "other-proxy" };
      useExecutor(
        elsewhere,
        new FakeExecutor({ front: () => ({ ...world.file, machineId: "d".repeat(32) }) }),
      );
      await assert.rejects(
        front.refresh(world.recorded(), { ...world.inputs, connection: elsewhere }, world.report),
        refusedWith(/\[traffic\.proxy\] leads to another machine \(d{32}\)/),
      );
    });
  });

  it("moves to another release when that is the one that is named", async () => {
    const release = { id: "id-2", rev: OTHER_REV, toplevel: SYSTEM_B };
    const members = { ...world.inputs.members, spare: member({ release }) };
    world.inputs = { ...world.inputs, release: OTHER_REV, members };
    answers = () => ({ by: world.file.target ?? "", rev: OTHER_REV });
    assert.equal((await world.flip()).active, "spare");
  });

  describe("takes traffic back", () => {
    const undone = async () => {
      const failure = await world.flip().then(
        () => assert.fail("it was not undone"),
        (error) => error as PartialFailure,
      );
      assert.ok(failure instanceof PartialFailure, String(failure));
      return failure;
    };

    for (const [what, seen, reason] of [
      [
        "the old host answers still",
        { by: AT_PROD },
        "the header x-served-by does not match: 192.0.2.10:80",
      ],
      [
        "another release answers",
        { by: AT_SPARE, rev: OTHER_REV },
        "the body does not match: release f1dd4a0",
      ],
      ["nobody does", { by: AT_SPARE, status: 502 }, "from the operator's machine: 502"],
    ] as const)
      it(`when ${what}`, async () => {
        answers = () => (world.file.target === AT_SPARE ? seen : { by: AT_PROD });
        const { reasons, properties } = await undone();
        assert.deepEqual(world.steps, ["move", "back"]);
        assert.ok(reasons[0]?.includes(reason), reasons[0]);
        assert.match(
          reasons[1] ?? "",
          /^It was taken back: traffic goes to prod \(.*\)\. Mend it, and run/,
        );
        assert.equal(reasons.length, 2, reasons.join("\n"));
        const { active, target, trial } = properties as Record<string, unknown>;
        assert.deepEqual([active, target, trial], ["prod", AT_PROD, false]);
      });

    it("when it falls while the old one drains", async () => {
      world.inputs = { ...world.inputs, drainSeconds: 5 };
      // The first look is the refresh, the second the flip's own.
      world.connections = [0, 0, 3];
      let asked = 0;
      answers = () => ({
        by: world.file.target ?? "",
        status: world.file.target === AT_SPARE && asked++ > 0 ? 500 : 200,
      });
      await undone();
      assert.deepEqual(world.steps, ["move", "back"]);
    });

    it("and says so when that fails too", async () => {
      answers = () => ({ by: AT_PROD, status: 500 });
      world.refuses["back"] = new Failure("lost", "The connection ended.");
      const { reasons, properties } = await undone();
      assert.match(
        reasons[1] ?? "",
        /^THE WAY BACK FAILED TOO: The connection ended\. .* told to send traffic to spare/,
      );
      assert.deepEqual((properties as { trial: boolean }).trial, true);
    });
  });

  it("moves nothing when the proxy refuses, and passes its sentence on", async () => {
    world.refuses["move"] = {
      error: { code: "reload-failed", message: "caddy.service did not take it." },
    };
    await assert.rejects(world.flip(), /caddy\.service did not take it/);
    assert.equal(world.file.target, AT_PROD);
  });

  describe("waits for what the old one has begun", () => {
    it("and no longer", async () => {
      world.inputs = { ...world.inputs, drainSeconds: 60 };
      world.connections = [0, 0, 2, 1, 0];
      const since = Date.now();
      await world.flip();
      assert.ok(Date.now() - since < 20_000);
      assert.ok(world.said.includes("progress: waiting for 2 open connections of prod"));
      assert.ok(!world.said.some((text) => text.startsWith("warning")));
    });

    it("but not for ever", async () => {
      world.inputs = { ...world.inputs, drainSeconds: 1 };
      world.connections = Array.from({ length: 20 }, () => 4);
      await world.flip();
      assert.ok(
        world.said.some((text) =>
          /^warning: After 1 s the proxy still had 4 open connections to prod/.test(text),
        ),
      );
    });
  });

  describe("after a flip that was cut off", () => {
    beforeEach(() => {
      world.file = { ...world.file, target: AT_SPARE, trial: true, before: AT_PROD };
    });

    it("proves it", async () => {
      const outputs = await world.flip();
      assert.deepEqual(world.steps, ["move", "keep"]);
      assert.deepEqual([outputs.active, outputs.trial], ["spare", false]);
      assert.match(world.said[0] ?? "", /^A flip to spare .* was cut off/);
    });

    it("takes it back when it does not hold", async () => {
      answers = () => ({ by: AT_PROD });
      await assert.rejects(world.flip(), PartialFailure);
      assert.equal(world.file.target, AT_PROD);
    });

    it("goes back to the old one when that is wanted, whatever the stacks say", async () => {
      const prod = member({
        ...{ target: AT_PROD, stack: "prod", healthy: false, machineId: SPARE_ID },
      });
      world.inputs = {
        ...world.inputs,
        active: "prod",
        members: { ...world.inputs.members, prod },
      };
      const outputs = await world.flip();
      assert.deepEqual([outputs.active, outputs.target], ["prod", AT_PROD]);
    });
  });

  it("leaves traffic where it is when it is deleted", async () => {
    await front.delete(world.recorded(), world.report);
    assert.deepEqual(world.proxy.calls, []);
    assert.match(world.said[0] ?? "", /^Public traffic goes on to http:\/\/192\.0\.2\.10:80/);
  });
});

describe("a test of who answers", () => {
  const http = { kind: "http", name: "public", url: "https://os.example.com/" } as const;

  it("has to tell one host or release from another", () => {
    for (const test of [
      http,
      { ...http, body: "welcome" },
      { ...http, headers: { server: "Caddy" } },
    ])
      assert.ok(!verification.safeParse([test]).success);
    for (const test of [
      { ...http, body: "%rev%" },
      { ...http, headers: { "x-host": "%host%" } },
      { kind: "command", name: "browser", argv: ["true"] },
    ])
      assert.ok(verification.safeParse([test]).success);
  });

  it("takes each mark for a text that means itself", () => {
    const text = fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(text, (host) => {
        const asked = askingFor({ host, target: "x:1", rev: REV }, { ...http, body: "^%host%$" });
        assert.ok(asked.kind === "http" && new RegExp(asked.body ?? "", "u").test(host));
        assert.ok(!new RegExp(asked.body ?? "", "u").test(`${host}x`));
      }),
    );
  });
});
