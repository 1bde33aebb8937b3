import assert from "node:assert/strict";
import fc from "fast-check";
import { likeNixos } from "../../lab/closures.ts";
import { type Part, type Piece, partsOf, streamsFor } from "../../providers/nixos/parts.ts";

const MEBIBYTE = 1048576;

/** Each path refers to earlier ones, in any way. */
const closures = fc
  .array(
    fc.record({
      bytes: fc.oneof(
        fc.integer({ min: 0, max: 10_000 }),
        fc.integer({ min: 0, max: 200 * MEBIBYTE }),
      ),
      references: fc.array(fc.nat(), { maxLength: 6 }),
    }),
    { maxLength: 60 },
  )
  .map((pieces) =>
    pieces.map(({ bytes, references }, index) => ({
      path: `/nix/store/${index}`,
      bytes,
      references: index === 0 ? [] : [...new Set(references.map((each) => each % index))],
    })),
  );

function pathsOf(parts: readonly Part[]): string[] {
  return parts.flatMap(({ paths }) => paths);
}

describe("the parts of a closure", () => {
  it("hold no path twice, and none that is not to be copied", () => {
    fc.assert(
      fc.property(closures, fc.integer({ min: 2, max: 6 }), (pieces, streams) => {
        const paths = pathsOf(partsOf(pieces, streams));
        assert.equal(new Set(paths).size, paths.length);
        const known = new Set(pieces.map(({ path }) => path));
        for (const path of paths) assert.ok(known.has(path), path);
      }),
    );
  });

  it("refer to nothing but themselves and the parts that they wait for", () => {
    fc.assert(
      fc.property(closures, fc.integer({ min: 2, max: 6 }), (pieces, streams) => {
        const parts = partsOf(pieces, streams);
        for (const [place, { paths, after }] of parts.entries()) {
          assert.ok(after.every((each) => each < place));
          const there = new Set([...paths, ...after.flatMap((each) => parts[each]?.paths ?? [])]);
          for (const piece of pieces.filter(({ path }) => paths.includes(path)))
            for (const each of piece.references)
              assert.ok(there.has(pieces[each]?.path ?? ""), `${piece.path} -> ${each}`);
        }
      }),
    );
  });

  it("leave out less than is worth a part", () => {
    fc.assert(
      fc.property(closures, fc.integer({ min: 2, max: 6 }), (pieces, streams) => {
        const paths = new Set(pathsOf(partsOf(pieces, streams)));
        const left = pieces.filter(({ path }) => !paths.has(path));
        assert.ok(left.reduce((sum, { bytes }) => sum + bytes, 0) <= 32 * MEBIBYTE);
      }),
    );
  });

  it("are of one size for paths that know nothing of each other, as many as streams at once", () => {
    const pieces = Array.from({ length: 200 }, (_, index) => ({
      ...{ path: `/nix/store/${index}`, bytes: 4 * MEBIBYTE, references: [] },
    }));
    const parts = partsOf(pieces, 4);
    assert.deepEqual(
      parts.map(({ after }) => after),
      parts.map(() => []),
    );
    const counts = parts.slice(0, 4).map(({ paths }) => paths.length);
    assert.ok(Math.max(...counts) < 2 * Math.min(...counts), counts.join());
  });

  it("come one after the other where each path needs the one before", () => {
    const pieces: Piece[] = Array.from({ length: 10 }, (_, index) => ({
      path: `/nix/store/${index}`,
      bytes: 40 * MEBIBYTE,
      references: index === 0 ? [] : [index - 1],
    }));
    assert.deepEqual(
      pathsOf(partsOf(pieces, 4)),
      pieces.map(({ path }) => path),
    );
  });

  it("hold no derivation, and nothing that refers to one", () => {
    const bytes = 100 * MEBIBYTE;
    const pieces = [
      { path: "/nix/store/a.drv", bytes, references: [] },
      { path: "/nix/store/b", bytes, references: [0] },
      { path: "/nix/store/c", bytes, references: [] },
    ];
    assert.deepEqual(pathsOf(partsOf(pieces, 2)), ["/nix/store/c"]);
  });
});

describe("the parts of a closure like NixOS's", () => {
  // Where the window of each stream is the limit, and not a processor.
  for (const [count, bytes] of [
    [1000, 1.5e9],
    [2500, 4e9],
  ] as const)
    it(`take less than half as long as one stream: ${count} paths, ${bytes / 1e9} GB`, () => {
      const pieces = likeNixos(count, bytes).map((path, index) => ({
        ...path,
        path: `/nix/store/${index}`,
      }));
      const streams = streamsFor(bytes);
      const took = bytesWaited(pieces, partsOf(pieces, streams), streams);
      assert.ok(took < 0.45 * bytes, `${took / bytes}`);
    });
});

/** How much one stream could send until all is there, if each part begins as soon as it may and costs 24 MiB more than it holds. */
function bytesWaited(pieces: readonly Piece[], parts: readonly Part[], streams: number): number {
  const size = new Map(pieces.map(({ path, bytes }) => [path, bytes]));
  const total = (paths: readonly string[]) =>
    paths.reduce((sum, path) => sum + (size.get(path) ?? 0), 0);
  const waiting = new Set(parts.keys());
  const ends = new Map<number, number>();
  for (let now = 0; ; ) {
    const running = [...ends.values()].filter((end) => end > now);
    const ready = [...waiting].filter((index) =>
      parts[index]?.after.every((each) => (ends.get(each) ?? Infinity) <= now),
    );
    for (const index of ready.slice(0, streams - running.length)) {
      waiting.delete(index);
      ends.set(index, now + 24 * MEBIBYTE + total(parts[index]?.paths ?? []));
    }
    const next = Math.min(...[...ends.values()].filter((end) => end > now));
    if (next === Infinity) {
      assert.equal(waiting.size, 0);
      return now + total([...size.keys()]) - total(pathsOf(parts));
    }
    now = next;
  }
}

describe("the number of streams", () => {
  for (const [bytes, streams] of [
    [0, 1],
    [511 * MEBIBYTE, 1],
    [512 * MEBIBYTE, 4],
    [1000 * MEBIBYTE, 6],
    [50_000 * MEBIBYTE, 6],
  ] as const)
    it(`is ${streams} for ${bytes / MEBIBYTE} MiB`, () => assert.equal(streamsFor(bytes), streams));
});
