import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { EXIT, Stop } from "../../../cli/exit-code.ts";
import { find, type Past } from "../../../cli/ledger.ts";
import type { Project, SettledStack } from "../../../cli/project.ts";
import type { Pulumi } from "../../../cli/pulumi.ts";
import { releaseIn, releasesInHistory } from "../../../cli/stack-history.ts";
import { OTHER_REV, pathOf, REV, SYSTEM_A, SYSTEM_B } from "../../support/samples.ts";

function resources(rev: string, toplevel: string | undefined, more: object = {}): unknown[] {
  return [
    { type: "pulumi:pulumi:Stack", urn: "urn" },
    {
      type: "nixos:index:SystemProfile",
      inputs: {
        rev,
        subject: "s",
        manifest: `{"rev":"${rev}"}`,
        ...(toplevel && { toplevel }),
        ...more,
      },
      outputs: {
        live: { currentSystem: SYSTEM_A },
        transaction: { id: `activate-${rev.slice(0, 4)}` },
      },
    },
  ];
}
const checkpoint = (all: unknown[]) => ({ version: 3, checkpoint: { latest: { resources: all } } });
const exported = (all: unknown[]) => ({ version: 3, deployment: { resources: all } });

describe("the release in an earlier state of a stack", () => {
  for (const [what, state] of [
    ["a checkpoint", checkpoint(resources(REV, SYSTEM_B))],
    ["an export", exported(resources(REV, SYSTEM_B))],
  ] as const)
    it(`is read from ${what}, with its manifest`, () => {
      const { rev, toplevel, id, at, recorded, valid } = releaseIn(state, 7) ?? {};
      assert.deepEqual(
        [rev, toplevel, id, at, recorded, valid],
        [REV, SYSTEM_B, "activate-9ace", 7, `{"rev":"${REV}"}`, null],
      );
    });

  it("of links alone has the system that ran, and where they led", () => {
    const files = { hypervisor: `${pathOf("hypervisor")}/bin/hypervisor` };
    const found = releaseIn(exported(resources(REV, undefined, { links: { files } })), 7);
    assert.deepEqual([found?.toplevel, found?.links], [SYSTEM_A, files]);
  });

  for (const [what, state] of [
    ["no state", undefined],
    ["something else", { version: 3 }],
    ["a stack without a host", exported([{ type: "pulumi:pulumi:Stack" }])],
    [
      "an older form of the resource",
      exported([{ type: "nixos:index:SystemProfile", inputs: {} }]),
    ],
  ] as const)
    it(`is none in ${what}`, () => assert.equal(releaseIn(state, 7), undefined));
});

describe("Pulumi's own history of a stack", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "promote-history-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const stack = { name: "prod" } as SettledStack;
  const read = (answers: (args: readonly string[]) => unknown) => {
    const pulumi = {
      ask: async (args: readonly string[]) => {
        const said = answers(args);
        const [code, stderr] = said === undefined ? [1, "no"] : [0, ""];
        return { code, stdout: JSON.stringify(said), stderr, timedOut: false };
      },
    } as unknown as Pulumi;
    return releasesInHistory(pulumi, { name: "choiros", directory } as Project, stack);
  };

  function keep(time: number, update: object, state: unknown, zipped = false): void {
    const folder = join(directory, "state/.pulumi/history/choiros/prod");
    mkdirSync(folder, { recursive: true });
    for (const [kind, content] of [
      ["history", { kind: "update", result: "succeeded", endTime: time, ...update }],
      ["checkpoint", state],
    ] as const) {
      const text = JSON.stringify(content);
      const name = join(folder, `prod-${time}.${kind}.json${zipped ? ".gz" : ""}`);
      writeFileSync(name, zipped ? gzipSync(text) : text);
    }
  }

  it("in a directory is in its checkpoints: each release once, the newest first, and no failure", async () => {
    keep(1001, {}, checkpoint(resources(OTHER_REV, SYSTEM_A)));
    keep(1002, { result: "failed" }, checkpoint(resources("0".repeat(40), SYSTEM_B)));
    keep(1003, {}, checkpoint(resources(REV, SYSTEM_B)), true);
    keep(1004, { kind: "refresh" }, checkpoint(resources("0".repeat(40), SYSTEM_B)));
    keep(1005, {}, "torn");
    const past = await read(() => ({ url: `file://${directory}/state?x=y` }));
    assert.deepEqual(
      past.map(({ rev, at, back }) => [rev, at, back]),
      [
        [REV, 1003, 0],
        [OTHER_REV, 1001, 1],
      ],
    );
    assert.deepEqual(await read(() => ({ url: "file:///nowhere" })), []);
    const relative = await read(() => ({ url: "file://./state" }));
    assert.equal(relative.length, 2);
  });

  it("of the service is exported version by version", async () => {
    const update = (version: number, more: object = {}) => ({
      ...{ version, kind: "update", result: "succeeded", endTime: "2026-01-01T00:00:00.000Z" },
      ...more,
    });
    const past = await read((args) => {
      if (args[0] === "whoami") return { url: "https://app.pulumi.com/acme" };
      if (args[1] === "history") return [update(3), update(2, { result: "failed" }), update(1)];
      const version = args[args.indexOf("--version") + 1];
      return exported(version === "1" ? resources(OTHER_REV, SYSTEM_A) : resources(REV, SYSTEM_B));
    });
    assert.deepEqual(
      past.map(({ rev, back }) => [rev, back]),
      [
        [REV, 0],
        [OTHER_REV, 1],
      ],
    );
  });

  for (const [what, answer, says] of [
    ["an object store", { url: "s3://state" }, /in s3:\/\/state\. They can be fetched by hand/],
    ["nobody", undefined, /does not say where its state is: no/],
  ] as const)
    it(`of ${what} is refused in a sentence`, async () => {
      await assert.rejects(
        read(() => answer),
        (error: unknown) => error instanceof Stop && says.test(error.message),
      );
    });
});

describe("a release that one of two sources has", () => {
  const release = (rev: string, toplevel: string, back: number): Past => ({
    ...{ back, id: `activate-${rev.slice(0, 4)}`, at: 1, toplevel, rev, subject: "" },
    ...{ valid: true, manifest: true, links: {} },
  });
  const ledger = [release(REV, SYSTEM_B, 0)];
  const older = async () => [release(REV, SYSTEM_B, 0), release(OTHER_REV, SYSTEM_A, 1)];

  it("is that of the ledger, which is asked alone if it has it", async () => {
    const never = () => assert.fail("Pulumi was asked");
    assert.equal((await find(ledger, "9ace", never)).rev, REV);
  });

  it("is that of Pulumi otherwise: numbers go on, and none is there twice", async () => {
    assert.equal((await find(ledger, undefined, older)).rev, OTHER_REV);
    assert.equal((await find(ledger, "f1dd", older)).back, 1);
    await assert.rejects(find(ledger, "2", older), /remembers 2 releases, so --to goes up to 1/);
  });

  it("is refused with what the other source says, where that cannot be asked", async () => {
    const closed = async (): Promise<Past[]> => {
      throw new Stop(EXIT.failed, "There is no way.");
    };
    await assert.rejects(
      find(ledger, "beef", closed),
      /has committed no release beef\..* Pulumi's own history was not asked: There is no way\./,
    );
  });
});
