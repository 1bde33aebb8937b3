import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkup } from "../../../cli/checkup.ts";
import { Facts } from "../../../cli/facts.ts";
import type { Finding } from "../../../cli/finding.ts";
import { openProject, stackNamed } from "../../../cli/project.ts";
import type { Pulumi } from "../../../cli/pulumi.ts";
import { Failure } from "../../../providers/errors.ts";
import { useExecutor } from "../../../providers/executors/index.ts";
import { FakeExecutor } from "../../support/fake-executor.ts";
import { hostState } from "../../support/samples.ts";

const FLEET = `config:
  choiros:fleet: {hosts: {doctor-1: {}, doctor-2: {}, doctor-3: {}}}
  choiros:release: {from: stack, stack: grind}
  choiros:copy: {via: direct}
  choiros:health: [{name: hypervisor, kind: unit, unit: hypervisor.service}]
`;
const EXAMINATION = {
  ...{ repository: null, signingKey: null, reached: null, memory: 1 << 30 },
  nix: { substituters: [], trustedKeys: [], requireSigs: true },
  free: { "/": 1 << 30 },
};
/** Logged in, with a stack. */
const PULUMI = {
  ask: async () => ({ code: 0, stdout: "v3.255.0", stderr: "", timedOut: false }),
} as unknown as Pulumi;

describe("the doctor at many hosts", () => {
  let directory: string;
  let found: readonly Finding[];

  before("of three, one is short of room, and one does not answer", async () => {
    directory = mkdtempSync(join(tmpdir(), "checkup-"));
    writeFileSync(join(directory, "Pulumi.yaml"), "name: choiros\nruntime: nodejs\n");
    writeFileSync(join(directory, "Pulumi.fleet.yaml"), FLEET);
    const gone = new Failure("unreachable", "doctor-3 does not answer.");
    answers("doctor-1", hostState(), EXAMINATION);
    answers("doctor-2", hostState(), { ...EXAMINATION, free: { "/": 1 << 20 } });
    answers("doctor-3", gone, gone);
    const project = openProject(directory);
    found = await checkup(PULUMI, new Facts(project), [stackNamed(project, "fleet")]);
  });

  after(() => rmSync(directory, { recursive: true }));

  it("takes the settings for what they are", () => {
    assert.ok(found.some(({ about, state }) => about === "settings" && state === "ok"));
  });

  it("has a line for a host with which nothing is the matter", () => {
    const told = found.filter(({ about }) => about === "doctor-1");
    assert.deepEqual(
      told.map(({ state, where, says }) => ({ state, where, says })),
      [{ state: "ok", where: "fleet", says: "connection, machine, nix, lock, room" }],
    );
  });

  it("tells what is the matter with the others, under their names", () => {
    const failed = found.filter(({ state }) => state === "fail");
    assert.deepEqual(
      failed.map(({ where, about, fix }) => ({ where, about, hasFix: fix !== undefined })),
      [
        { where: "fleet, doctor-2", about: "room", hasFix: true },
        { where: "fleet, doctor-3", about: "connection", hasFix: true },
      ],
    );
  });

  function answers(host: string, state: unknown, examined: unknown): void {
    const executor = new FakeExecutor({ observe: () => state, doctor: () => examined });
    useExecutor({ kind: "ssh", host }, executor);
  }
});
