import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { status } from "../../../cli/commands/status.ts";
import { EXIT } from "../../../cli/exit-code.ts";
import { Output } from "../../../cli/output.ts";
import type { Sight } from "../../../cli/sight.ts";
import { Failure } from "../../../providers/errors.ts";
import { useExecutor } from "../../../providers/executors/index.ts";
import { FakeExecutor } from "../../support/fake-executor.ts";
import { hostState, REV, SYSTEM_A, SYSTEM_B, unitState } from "../../support/samples.ts";

const RUNS_B = {
  ...{ at: 1767225612, id: "activate-1", mode: "switch", outcome: "committed" },
  ...{ toplevel: SYSTEM_B, release: { rev: REV, subject: "say hello" } },
};

describe("the status of a stack with many hosts", () => {
  let directory: string;
  const asked = new Map<string, FakeExecutor>();

  before("web-1 is well, db-1 drifts, web-2 does not answer, new-1 was never promoted to", () => {
    directory = mkdtempSync(join(tmpdir(), "status-"));
    writeFileSync(join(directory, "Pulumi.yaml"), "name: choiros\nruntime: nodejs\n");
    const config = {
      fleet: {
        hosts: { "web-1": {}, "web-2": {}, "db-1": { role: "db" }, "new-1": {} },
        defaults: { configuration: "web", ssh: { user: "deploy" } },
        roles: { db: { health: [{ name: "db", kind: "unit", unit: "postgresql.service" }] } },
      },
      release: { from: "stack", stack: "grind" },
      copy: { via: "direct" },
      health: [{ name: "web", kind: "unit", unit: "caddy.service" }],
    };
    const entries = Object.entries(config).map(([key, value]) => [`choiros:${key}`, value]);
    const text = JSON.stringify({ config: Object.fromEntries(entries) });
    writeFileSync(join(directory, "Pulumi.fleet.yaml"), text);
    const well = { currentSystem: SYSTEM_B, profile: SYSTEM_B, ledger: RUNS_B, last: null };
    const running = { "caddy.service": unitState(), "postgresql.service": unitState() };
    const answers: Record<string, unknown> = {
      "web-1": hostState({ ...well, units: running }),
      "db-1": hostState({
        ...well,
        units: { ...running, "postgresql.service": unitState({ active: "failed", sub: "failed" }) },
      }),
      "web-2": new Failure("unreachable", "web-2: nothing answers there."),
      "new-1": hostState({ currentSystem: SYSTEM_A, profile: SYSTEM_A, ledger: null, last: null }),
    };
    for (const [host, answer] of Object.entries(answers)) {
      const executor = new FakeExecutor({ observe: () => answer });
      asked.set(host, executor);
      useExecutor({ kind: "ssh", host, user: "deploy" }, executor);
    }
  });

  after(() => rmSync(directory, { recursive: true }));

  async function run(json = false) {
    let stdout = "";
    const write = (text: string) => {
      stdout += text;
    };
    const output = new Output({ json, stdout: { write }, stderr: { write: () => {} } });
    const flags = { stack: "fleet" };
    const code = await status({ flags, output, cwd: directory } as never);
    return { code, stdout };
  }

  it("has a row for each host, with what is not well about it", async () => {
    const { stdout } = await run();
    assert.match(stdout, /^fleet +web-1 +healthy +\d+ d +9ace77e00000 say hello$/m);
    assert.match(stdout, /^fleet +db-1 +drift .*\n +! postgresql\.service is failed/m);
    assert.match(stdout, /^fleet +web-2 +unreachable *\n +! .*nothing answers there/m);
    assert.match(stdout, /^fleet +new-1 +no release/m);
  });

  it("is one document for programs, and ends with the worst of them", async () => {
    const { code, stdout } = await run(true);
    const { stacks } = JSON.parse(stdout) as { stacks: (Sight & { host: string })[] };
    assert.deepEqual(Object.fromEntries(stacks.map(({ host, health }) => [host, health])), {
      "web-1": "healthy",
      "db-1": "drift",
      "web-2": "unreachable",
      "new-1": "no release",
    });
    assert.equal(code, EXIT.unknown);
  });

  it("asks each host once, for the units of its role", async () => {
    for (const executor of asked.values()) executor.calls.splice(0);
    await run();
    const units = [...asked].map(([host, { calls }]) => [
      host,
      calls.map(({ argument }) => argument.get("units.0")),
    ]);
    assert.deepEqual(Object.fromEntries(units), {
      ...{ "web-1": ["caddy.service"], "web-2": ["caddy.service"], "new-1": ["caddy.service"] },
      "db-1": ["postgresql.service"],
    });
  });
});
