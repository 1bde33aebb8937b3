import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cache, publicKey } from "../../contract/cache.ts";
import { transport } from "../../contract/resources.ts";
import { GRIND } from "../support/samples.ts";

const GOOD = [
  "https://cache.example.com",
  "http://192.0.2.5:8080/releases",
  "http://[2001:db8::5]:8080",
  "file:///srv/cache",
  "file:///srv/cache?compression=zstd&compression-level=3",
  "s3://releases?region=eu-west-1&profile=releases&endpoint=s3.example.com",
];

const BAD = [
  ["no URL", "cache"],
  ["another kind of store", "ssh-ng://prod"],
  ["a path that is not absolute", "file://srv/cache"],
  ["two of them", "https://a.example.com https://b.example.com"],
  ["a password", "https://name:password@cache.example.com"],
  ["trust in everything", "https://cache.example.com?trusted=true"],
  ["trust in everything, behind something harmless", "file:///srv?compression=xz&trusted=1"],
  ["a secret key", "file:///srv/cache?secret-key=/root/key"],
  ["an option", "--option"],
  ["a line more", "https://cache.example.com\nfile:///srv"],
  ["shell text", "file:///srv/$(id)"],
] as const;

describe("the URL of a binary cache", () => {
  const pattern = /^readonly CACHE_PARAMETER=.*\n^readonly CACHE_URL=.*$/m;
  const definition = pattern.exec(
    readFileSync(new URL("../../host/lib.sh", import.meta.url), "utf8"),
  );
  const onHost = (url: string) =>
    spawnSync("bash", ["-c", `${definition?.[0]}\n[[ $1 =~ $CACHE_URL ]]`, "bash", url]).status ===
    0;
  const inSettings = (url: string) => cache.safeParse({ pull: url, push: url }).success;

  for (const url of GOOD)
    it(`may be ${url}, in the settings and on a host`, () => {
      assert.deepEqual([inSettings(url), onHost(url)], [true, true]);
    });

  for (const [what, url] of BAD)
    it(`may not be, or have, ${what}: neither in the settings nor on a host`, () => {
      assert.deepEqual([inSettings(url), onHost(url)], [false, false]);
    });
});

describe("a copy over caches", () => {
  const given = { via: "cache", builder: GRIND, caches: [{ pull: "https://cache.example.com" }] };
  const mistakes = (more: object) =>
    transport.safeParse({ ...given, ...more }).error?.issues.map(({ path }) => path.join(".")) ??
    [];

  it("may be checked strictly, and let the host build", () => {
    assert.deepEqual(mistakes({ check: "fail", hostBuildFallback: true }), []);
  });

  it("takes no other words for that", () => {
    assert.deepEqual(mistakes({ check: "maybe", hostBuildFallback: "yes" }), [
      "check",
      "hostBuildFallback",
    ]);
  });
});

describe("a cache of Cachix", () => {
  const pull = "https://releases.cachix.org";
  const push = "cachix://releases";
  const tokenFile = "/run/keys/cachix";
  const mistakes = (given: object) =>
    cache.safeParse(given).error?.issues.map(({ path, message }) => `${path}: ${message}`) ?? [];

  it("is pushed to by its name, with the file of a token on the builder", () => {
    assert.deepEqual(mistakes({ pull, push, tokenFile }), []);
  });

  it("needs that file, which nothing else takes", () => {
    assert.match(mistakes({ pull, push }).join(), /^tokenFile: must be given where push is cachix/);
    assert.match(mistakes({ pull, tokenFile }).join(), /^tokenFile: .* and only there/);
    assert.match(
      mistakes({ pull, push, tokenFile: "token" }).join(),
      /^tokenFile: .*absolute path/,
    );
  });

  it("has a name that is no option, no path and no shell text", () => {
    for (const bad of ["", "--help", "a/b", "$(id)", "a b", "releases?token=abc"])
      assert.match(
        mistakes({ pull, push: `cachix://${bad}`, tokenFile }).join(),
        /^push: must name a cache of Cachix/,
        bad,
      );
  });

  it("is not where a host finds it", () => {
    assert.match(mistakes({ pull: push }).join(), /^pull: must be a URL/);
  });
});

describe("the public key of a cache", () => {
  it("is a name and 32 bytes", () => {
    const key = `cache-1:${Buffer.alloc(32, 7).toString("base64")}`;
    assert.ok(publicKey.safeParse(key).success);
    for (const bad of ["", "cache-1", key.slice(0, -4), `${key} ${key}`, key.replace("-1", " ")])
      assert.ok(!publicKey.safeParse(bad).success, bad);
  });
});
