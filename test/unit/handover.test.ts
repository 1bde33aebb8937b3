import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { SshConnection } from "../../contract/connection.ts";
import {
  type FitnessInputs,
  fitnessInputs,
  type ProofInputs,
  proofInputs,
  type Side,
} from "../../contract/handover.ts";
import { Failure } from "../../providers/errors.ts";
import { useExecutor } from "../../providers/executors/index.ts";
import type { Reporter } from "../../providers/nixos/engine.ts";
import { fitness } from "../../providers/nixos/fitness.ts";
import { interruption } from "../../providers/nixos/interruption.ts";
import { worksFor } from "../../providers/nixos/operator.ts";
import { proof } from "../../providers/nixos/proof.ts";
import { PartialFailure } from "../../providers/nixos/resource.ts";
import { FakeExecutor } from "../support/fake-executor.ts";
import { REV, SYSTEM_A, SYSTEM_B } from "../support/samples.ts";

const SPARE: SshConnection = { kind: "ssh", host: "choiros-spare" };
const SPARE_ID = "b".repeat(32);
const PROD = { name: "prod", target: "192.0.2.10" };
const OTHER = { name: "spare", target: "192.0.2.11" };

function spare(more: Partial<NonNullable<Side["said"]>> = {}): Side {
  return {
    ...OTHER,
    said: {
      ...{ stack: "standby", healthy: true, healthySince: 1, machineId: SPARE_ID },
      release: { id: "id-1", rev: REV, toplevel: SYSTEM_B },
      examination: {
        connection: SPARE,
        probes: [{ name: "unit", kind: "unit", unit: "x.service" }],
      },
      ...more,
    },
  };
}

let said: string[];
const report: Reporter = {
  progress: (text) => void said.push(`progress: ${text}`),
  info: (text) => void said.push(text),
  warn: (text) => void said.push(`warning: ${text}`),
};

describe("the fitness of a host that a cloud is to send public traffic to", () => {
  let found: object | Error;
  let executor: FakeExecutor;
  const inputs = (more: Partial<FitnessInputs> = {}) =>
    fitnessInputs.parse({ from: PROD, to: spare(), move: "the record goes there", ...more });

  beforeEach(() => {
    said = [];
    found = { machineId: SPARE_ID, currentSystem: SYSTEM_B, reason: null };
    executor = new FakeExecutor({ health: () => found });
    useExecutor(SPARE, executor);
  });

  it("is asked of the host itself, by its own probes, before traffic moves", async () => {
    await fitness.update(inputs({ to: PROD }), inputs(), report);
    assert.deepEqual(
      executor.calls.map(({ command }) => command),
      ["health"],
    );
  });

  const refused = (message: string) => (error: Error) => {
    assert.ok(error instanceof Failure);
    const stays = "No traffic was moved: it goes to prod \\(192\\.0\\.2\\.10\\)\\.";
    assert.match(error.message, new RegExp(`\\[traffic\\.active\\] ${message}.*${stays}`));
    return true;
  };

  for (const [what, more, message] of [
    ["is ill", { reason: "unit is not healthy: failed" }, "spare is not fit to be active: unit is"],
    ["runs another system", { currentSystem: SYSTEM_A }, "spare does not run what standby has put"],
    ["is another machine", { machineId: "c".repeat(32) }, "spare is another machine"],
  ] as const)
    it(`is refused where it ${what}, now`, async () => {
      found = { ...found, ...more };
      await assert.rejects(fitness.create(inputs(), report), refused(message));
    });

  it("is refused where nobody reaches it, or nobody says how to see its health", async () => {
    found = new Failure("unreachable", "no connection to choiros-spare.");
    await assert.rejects(
      fitness.create(inputs(), report),
      refused("spare could not be seen to be healthy"),
    );
    const silent = spare({ examination: null });
    await assert.rejects(
      fitness.create(inputs({ to: silent }), report),
      refused("standby does not say how to see that spare is healthy"),
    );
  });

  it("is a matter of flips alone: whoever has traffic already is not asked", async () => {
    const stays = inputs({ from: OTHER });
    await fitness.create(stays, report);
    await fitness.update(inputs({ to: PROD }), stays, report);
    assert.deepEqual(executor.calls, []);
    assert.deepEqual(fitness.diff(stays, inputs({ from: OTHER, to: spare({ healthy: false }) })), {
      changes: false,
    });
  });

  it("is asked anew as long as a flip has not been proven", () => {
    assert.deepEqual(fitness.diff(inputs(), inputs()), { changes: true });
  });

  it("is not asked of a host whose stack is not named, and a preview says so", async () => {
    const unnamed = inputs({ to: OTHER });
    await fitness.refresh(inputs({ to: PROD }), unnamed, report);
    await fitness.update(inputs({ to: PROD }), unnamed, report);
    assert.deepEqual(executor.calls, []);
    assert.match(said[0] ?? "", /nobody asks spare whether it is healthy: \[traffic\.stacks\]/);
  });

  it("is previewed with from whom to whom, which release, and how", async () => {
    await fitness.refresh(inputs({ to: PROD }), inputs(), report);
    assert.deepEqual(said[0]?.split("\n"), [
      "Public traffic goes from prod (192.0.2.10) to spare (192.0.2.11)",
      `  release   ${REV.slice(0, 12)}`,
      "  before    spare passes unit",
      "  move      the record goes there",
    ]);
    assert.deepEqual(executor.calls, []);
  });
});

describe("the proof that people get the host that a cloud sends them to", () => {
  let server: Server;
  let url: string;
  let asked: number;
  /** The header that says who answers. */
  let answers: () => string;

  beforeEach(async () => {
    [said, asked] = [[], 0];
    answers = () => "spare";
    worksFor("urn:pulumi:traffic::choiros::nixos:index:Proof::traffic-proof");
    server = createServer((_request, response) => {
      asked += 1;
      response.writeHead(200, { "x-served-by": answers() }).end(`release ${REV.slice(0, 7)}`);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  afterEach(() => {
    interruption.happened = false;
    worksFor("");
    server.closeAllConnections();
    server.close();
  });

  const inputs = (more: Partial<ProofInputs> = {}) =>
    proofInputs.parse({
      ...{ from: PROD, to: spare(), settleSeconds: 0, drainSeconds: 0 },
      verify: [
        {
          ...{ kind: "http", name: "public", url, deadlineSeconds: 1 },
          ...{ headers: { "x-served-by": "^%host%$" }, body: "release %shortRev%" },
        },
      ],
      ...more,
    });
  const recorded = (more: Partial<ProofInputs> = {}, proven = true) => {
    const state = inputs(more);
    return { ...state, active: state.to.name, proven };
  };
  const failing = async (wanted: ProofInputs) => {
    const failure = await proof.update(recorded({ to: PROD }), wanted, report).then(
      () => assert.fail("it was proven"),
      (error) => error as PartialFailure,
    );
    assert.ok(failure instanceof PartialFailure, String(failure));
    return failure;
  };

  it("is theirs to give: who answers, and with which release", async () => {
    const outputs = await proof.update(recorded({ to: PROD }), inputs(), report);
    assert.deepEqual([outputs.active, outputs.proven], ["spare", true]);
    assert.equal(
      said.at(-1),
      "Public traffic goes to spare (192.0.2.11), and did to prod (192.0.2.10).",
    );
  });

  it("waits while some are sent to the old one still, and asks once more when all are not", async () => {
    answers = () => (asked < 3 ? "prod" : "spare");
    await proof.update(recorded({ to: PROD }), inputs({ settleSeconds: 4 }), report);
    assert.ok(said.some((text) => /^progress: \d s until prod has nothing left to do$/.test(text)));
    assert.equal(asked, 4);
  });

  it("fails with where traffic goes, and the way back", async () => {
    answers = () => "prod";
    const { reasons, properties } = await failing(inputs());
    assert.equal(
      reasons[0],
      "spare did not get public traffic for good: the smoke test public failed, seen from the operator's machine: 200, but the header x-served-by does not match: prod.",
    );
    assert.match(
      reasons[1] ?? "",
      /^Traffic goes to spare \(192\.0\.2\.11\) now: a plain `pulumi up` cannot take it back\. To send it to prod \(192\.0\.2\.10\) again: `promote traffic --stack traffic --to prod`, or write `active: prod` and run `pulumi up`\./,
    );
    const { active, proven } = properties as Record<string, unknown>;
    assert.deepEqual([active, proven], ["spare", false]);
  });

  it("fails when they lose the new one while the old one drains", async () => {
    answers = () => (asked === 1 ? "spare" : "prod");
    const { reasons } = await failing(inputs({ drainSeconds: 1 }));
    assert.match(reasons[0] ?? "", /does not match: prod/);
  });

  it("fails when it is interrupted, which is no proof", async () => {
    const proving = failing(inputs({ drainSeconds: 60 }));
    setTimeout(() => interruption.happen(), 500);
    const { reasons } = await proving;
    assert.match(reasons[0] ?? "", /it was interrupted before it was proven/);
  });

  it("asks by a command only when all are sent to the new one", async () => {
    const command = { kind: "command" as const, name: "visit", argv: ["curl", "-sf", url] };
    await proof.update(
      recorded({ to: PROD }),
      inputs({ settleSeconds: 1, verify: [command] }),
      report,
    );
    assert.equal(asked, 1);
  });

  it("is not there where the release is not known that was to be seen", async () => {
    const { reasons } = await failing(inputs({ to: OTHER }));
    assert.match(reasons[0] ?? "", /the body does not match/);
  });

  it("is asked for again when it failed, and of whoever gets traffic now", () => {
    assert.deepEqual(proof.diff(recorded(), inputs({ from: OTHER })), { changes: false });
    assert.deepEqual(proof.diff(recorded({}, false), inputs()), { changes: true });
    assert.deepEqual(proof.diff(recorded({}, false), inputs({ to: PROD })), { changes: true });
    assert.deepEqual(proof.diff(recorded(), inputs({ to: PROD })), { changes: true });
  });

  it("takes other tests for the next flip without asking them", async () => {
    const wanted = inputs({ from: OTHER, drainSeconds: 9 });
    assert.deepEqual(proof.diff(recorded(), wanted), { changes: true });
    assert.equal((await proof.update(recorded(), wanted, report)).drainSeconds, 9);
    assert.equal(asked, 0);
  });

  it("is previewed with what is asked, how long it takes, and what the way back is", async () => {
    await proof.refresh(recorded({ to: PROD }), inputs({ settleSeconds: 60 }), report);
    assert.deepEqual(said[0]?.split("\n"), [
      "  after     public, asked from here",
      "  drain     60 s until prod has nothing left to do",
      "  back      `promote traffic --to` goes back by itself if it fails; `pulumi up` says how",
    ]);
  });
});
