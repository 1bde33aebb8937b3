// The ledger as a file, without a host: what is damaged, too big, full, or written by two at once.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { backups } from "../../contract/backup.ts";
import { history } from "../../contract/ledger.ts";
import { OwnState } from "./own-state.ts";

const SYSTEM = "/nix/store/0000000000000000000000000000000a-nixos-system-prod";

function record(id: string, more: object = {}): string {
  return JSON.stringify({ at: 1767225600, id, mode: "switch", outcome: "refused", ...more });
}

describe("the ledger", function () {
  this.timeout(60_000);
  let state: OwnState;
  let file: string;
  beforeEach(() => {
    state = new OwnState();
    file = join(state.directory, "ledger.jsonl");
  });
  afterEach(() => state.discard());

  const append = (id: string, line = record(id)) =>
    state.parts("activate", 'append_record "${arg[id]}" "${arg[line]}" || echo failed >&3', {
      id,
      line,
    });
  const lines = () => readFileSync(file, "utf8").split("\n").slice(0, -1);
  const read = async (limit = 20) => history.parse(await state.ask("history", { limit }));
  const lastCommit = async () =>
    (
      await state.parts(
        "observe",
        'last_commit "$STATE/ledger.jsonl" && printf "%s\\n" "$REPLY" >&3 || true',
      )
    ).trim();

  it("gets one line for each record, whatever is in it", async () => {
    const texts = ['say "hi"\n\ttwice', "größe \\ \u0001", "$(id) `id` ' ;"];
    for (const [index, subject] of texts.entries())
      await append(`${index}`, record(`${index}`, { release: { subject } }));
    const { records, damaged } = await read();
    assert.deepEqual(records.map(({ release }) => release?.subject).reverse(), texts);
    assert.equal(damaged, 0);
  });

  for (const [what, tail] of [
    ["cut short by a power cut", '{"at":1767225601,"id":"cut","outcome":"comm'],
    ["filled with zeros by a power cut", `{"at":1767225601,"id":"cut","out\0\0\0\0`],
    ["of nothing but zeros", "\0\0\0\0"],
  ] as const) {
    it(`a line ${what} swallows neither the one before nor the one after it`, async () => {
      writeFileSync(file, `${record("before", { outcome: "committed" })}\n${tail}`);
      await append("after");
      const { records, damaged } = await read();
      assert.deepEqual(
        records.map(({ id }) => id),
        ["after", "before"],
      );
      assert.equal(damaged, tail.startsWith("\0") ? 0 : 1);
      assert.equal(JSON.parse(await lastCommit()).id, "before");
    });
  }

  it("two lines that ran into each other are no commit", async () => {
    const commit = record("b", { outcome: "committed" });
    writeFileSync(file, `${record("a", { outcome: "committed" })}\n{"at":1,"id":"cut${commit}\n`);
    assert.equal(JSON.parse(await lastCommit()).id, "a");
    assert.equal((await read()).damaged, 1);
  });

  it("the last release that stayed is found behind a thousand that did not", async () => {
    for (const between of [0, 29, 30, 900]) {
      const others = Array.from({ length: between }, (_, index) =>
        record(`${index}`, { reason: 'it said "outcome":"committed"' }),
      );
      writeFileSync(file, `${[record("kept", { outcome: "committed" }), ...others].join("\n")}\n`);
      assert.equal(JSON.parse(await lastCommit()).id, "kept", `${between} lines behind`);
    }
  });

  it("keeps the newest 1000 records, and the last release that stayed", async () => {
    const old = Array.from({ length: 1200 }, (_, index) => record(`old-${index}`));
    old[3] = record("stayed", { outcome: "committed" });
    writeFileSync(file, `${old.join("\n")}\n`);
    await append("new");
    const ids = lines().map((line) => (JSON.parse(line) as { id: string }).id);
    assert.equal(ids.length, 1000);
    assert.deepEqual([ids[0], ids[1], ids.at(-1)], ["stayed", "old-202", "new"]);
    assert.ok(!existsSync(`${file}.new`));
  });

  it("keeps at most 4 MiB, in whole lines", async () => {
    const big = Array.from({ length: 100 }, (_, index) =>
      record(`${index}`, { reason: "x".repeat(60_000) }),
    );
    writeFileSync(file, `${big.join("\n")}\n`);
    await append("new");
    const kept = lines();
    assert.ok(Buffer.byteLength(kept.join("\n")) <= 4 * 1048576);
    assert.ok(kept.length > 60);
    for (const line of kept) JSON.parse(line);
    assert.match(kept.at(-1) ?? "", /"id":"new"/);
  });

  it("two writers at once lose nothing and tear nothing", async () => {
    const line = record("ID", { reason: "y".repeat(9000) });
    await state.parts(
      "activate",
      `for writer in {1..8}; do
         (for n in {1..5}; do append_record "$writer-$n" "\${arg[line]/ID/$writer-$n}" || exit 1; done) &
       done
       wait`,
      { line },
    );
    const ids = lines().map((text) => (JSON.parse(text) as { id: string }).id);
    assert.equal(new Set(ids).size, 40);
    assert.equal(ids.length, 40);
  });

  it("what finds no room on the disk waits in memory, and comes with the next one", async () => {
    const full = `mount -t tmpfs -o size=16k full /var/lib/nixos-promote && : >"$LEDGER" && : >"$STATE/lock"
      head -c 12000 /dev/zero | tr '\\0' x >"$STATE/filler"; head -c 65536 /dev/zero >"$STATE/more" 2>/dev/null || true
      append_record late "\${arg[line]}" && echo "was not full" >&3
      umount /var/lib/nixos-promote`;
    const said = await state.parts("activate", full, {
      line: record("late", { reason: "z".repeat(3000) }),
    });
    assert.equal(said, "");
    assert.ok(existsSync(join(state.directory, "run/late.record")));
    await append("next");
    assert.deepEqual(
      lines().map((line) => JSON.parse(line).id),
      ["late", "next"],
    );
    assert.ok(!existsSync(join(state.directory, "run/late.record")));
  });

  it("history tells a record from a damaged line as a parser of JSON does", async () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '"',
        "\\",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "1",
        "01",
        "-",
        ".5",
        "true",
        "null",
        "\\u00e4",
        "\\u12",
        "\\n",
        " ",
      ),
      fc.json({ maxDepth: 2 }),
    );
    const line = fc
      .oneof(
        fc
          .record({ a: fc.jsonValue({ maxDepth: 3 }), 'b"\\': fc.string({ unit: "binary" }) })
          .map((value) => JSON.stringify(value)),
        fc.array(piece, { maxLength: 6 }).map((parts) => `{"a":${parts.join("")}}`),
        fc.constantFrom('{"a":\\u00e41}', '{"a":\\n}', '{"a":"\\u00e41"}'),
      )
      // What our own scripts never write, but a parser lets pass.
      .filter(
        (text) =>
          !/[\n\r\0]/.test(text) &&
          !/[\ud800-\udfff]/.test(text) &&
          !/\s/.test(text.replaceAll(/"(\\.|[^"\\])*"/g, "")),
      );
    const parses = (text: string) => {
      try {
        return typeof JSON.parse(text) === "object";
      } catch {
        return false;
      }
    };
    const samples = fc.sample(line, 600);
    writeFileSync(file, `${samples.join("\n")}\n`);
    const answer = (await state.ask("history", { limit: 9999 })) as {
      records: unknown[];
      damaged: number;
    };
    const good = samples.filter(parses);
    assert.ok(good.length > 100 && good.length < 590, `${good.length} of 600 are records`);
    assert.deepEqual(
      answer.records.reverse(),
      good.map((text) => JSON.parse(text)),
    );
    assert.equal(answer.damaged, samples.length - good.length);
  });

  it("history is empty where there is no ledger, and takes no nonsense for a limit", async () => {
    rmSync(file, { force: true });
    assert.deepEqual(await read(), { records: [], damaged: 0, releases: [], manifest: null });
    for (const limit of [0, -1, "ten", 10_000])
      assert.match(
        JSON.stringify(await state.ask("history", { limit })),
        /\[limit\] is not a number/,
      );
  });

  it("history names each system once, and gives the manifest that was kept of one", async () => {
    const manifest = '{"rev":"größe \\"x\\""}';
    await append("a", record("a", { toplevel: SYSTEM }));
    await append("b", record("b", { toplevel: SYSTEM }));
    await state.parts("activate", "toplevel=${arg[toplevel]} id=b; check_keep; keep_manifest", {
      toplevel: SYSTEM,
      manifest,
    });
    const said = history.parse(await state.ask("history", { toplevel: SYSTEM }));
    assert.deepEqual(
      said.releases.map(({ toplevel, manifest: kept }) => [toplevel, kept]),
      [[SYSTEM, true]],
    );
    assert.equal(said.manifest, manifest);
  });

  it("history gives the manifest of links alone by their transaction, not that of the system below", async () => {
    const keep = (id: string, system: string, manifest: string) =>
      state.parts(
        "activate",
        "toplevel=${arg[toplevel]} id=${arg[id]} with_system=${arg[system]}; check_keep; keep_manifest",
        { id, system, toplevel: SYSTEM, manifest },
      );
    await keep("system", "yes", "{}");
    await keep("links", "", '{"links":1}');
    const manifestBy = async (id: string) =>
      history.parse(await state.ask("history", { toplevel: SYSTEM, id })).manifest;
    assert.equal(await manifestBy("links"), '{"links":1}');
    assert.equal(await manifestBy("system"), "{}");
    assert.match(
      JSON.stringify(await state.ask("history", { toplevel: SYSTEM, id: "../x" })),
      /\[id\] may hold letters/,
    );
  });
});

describe("the backups of a host", () => {
  let state: OwnState;
  beforeEach(() => {
    state = new OwnState();
  });
  afterEach(() => state.discard());

  const list = async () => backups.parse(await state.ask("backups")).backups;

  function backup(name: string, at: number, index: string, previous = SYSTEM): void {
    const directory = join(state.directory, "backups", name);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "index"), index);
    writeFileSync(join(directory, "previous"), `${previous}\n`);
    for (const path of [join(directory, "index"), directory]) utimesSync(path, at, at);
  }

  it("are none where there is none", async () => {
    assert.deepEqual(await list(), []);
  });

  it("are told the newest first, whatever the directories are called, without those that are being made", async () => {
    const sum = "a".repeat(64);
    backup("activate-1", 1000, `tar\t/opt/größe "x"\t1.tar.zst\t${sum}\t10\t20\tno\n`);
    backup("activate-2", 2000, `btrfs\t/data\t/.backups/2\t-\t0\t0\tyes\n`);
    backup("activate-3.new", 3000, `tar\t/data\t1.tar.zst\t${sum}\t1\t1\tyes\n`);
    backup("activate-4", 4000, "");
    writeFileSync(join(state.directory, "backups/activate-1/1.tar.zst"), "");
    utimesSync(join(state.directory, "backups/activate-1"), 1000, 1000);
    const path = "/var/lib/nixos-promote/backups/activate-1/1.tar.zst";
    assert.deepEqual(await list(), [
      {
        ...{ name: "activate-2", at: 2000, system: SYSTEM },
        directories: [
          {
            ...{
              directory: "/data",
              kind: "btrfs",
              path: "/.backups/2",
              sha256: null,
              bytes: null,
            },
            ...{ size: 0, steady: true, there: false },
          },
        ],
      },
      {
        ...{ name: "activate-1", at: 1000, system: SYSTEM },
        directories: [
          {
            ...{ directory: '/opt/größe "x"', kind: "tar", path, sha256: sum, bytes: 10, size: 20 },
            ...{ steady: false, there: true },
          },
        ],
      },
    ]);
  });
});
