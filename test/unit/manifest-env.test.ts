import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import {
  formatManifestEnv,
  type ManifestEnv,
  manifestEnvOf,
  parseManifestEnv,
} from "../../contract/manifest-env.ts";
import { anyText } from "../support/hostile.ts";
import { MANIFEST, pathOf, REV, withId } from "../support/samples.ts";

const TEXT = readFileSync(new URL("../fixtures/release.env", import.meta.url), "utf8");
const KEYS = TEXT.trimEnd()
  .split("\n")
  .map((line) => line.slice(0, line.indexOf("=")));

const put = (key: string, value: string) =>
  TEXT.replace(new RegExp(`^${key}=.*$`, "m"), () => `${key}=${value}`);

describe("the .env form of a manifest", () => {
  it("is read as data: revision, time, and of each program its path and file", () => {
    assert.equal(KEYS.length, 11);
    assert.deepEqual(parseManifestEnv(TEXT), {
      schema: "env",
      rev: REV,
      shortRev: "9ace77e",
      builtAt: "2026-02-22T18:04:11Z",
      repo: "/opt/choiros/workspace",
      components: {
        sandbox: {
          path: "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-sandbox-0.1.0",
          file: "bin/sandbox",
        },
        hypervisor: {
          path: "/nix/store/1123456789abcdfghijklmnpqrsvwxyz-hypervisor-0.1.0",
          file: "bin/hypervisor",
        },
        desktop: {
          path: "/nix/store/2123456789abcdfghijklmnpqrsvwxyz-sandbox-ui-0.1.0",
          file: "bin/sandbox-ui",
        },
      },
    });
  });

  it("is written with the same bytes", () => {
    assert.equal(formatManifestEnv(parseManifestEnv(TEXT)), TEXT);
    assert.deepEqual(parseManifestEnv(`# kept\n\n${TEXT}`), parseManifestEnv(TEXT));
  });

  const refused: [string, string, RegExp][] = [
    ["a key that is missing", TEXT.replace(/^REPO_ROOT.*\n/m, ""), /^REPO_ROOT is missing$/],
    ["a key that is there twice", `${TEXT}GIT_DIRTY=false\n`, /^GIT_DIRTY is there twice$/],
    ["a key that is not known", `${TEXT}PATH=/tmp\n`, /^PATH is not a known key$/],
    ["a command", `${TEXT}touch /tmp/x\n`, /^line 12 is not KEY=value$/],
    ["a key that is exported", TEXT.replace("REPO", "export REPO"), /^line 4 is not KEY=value$/],
    ["lines of Windows", TEXT.replaceAll("\n", "\r\n"), /^line 1 is not KEY=value$/],
    ["a dirty tree", put("GIT_DIRTY", "true"), /^GIT_DIRTY is not false/],
    ["a branch", put("RELEASE_SHA", "main"), /^RELEASE_SHA must be a full commit id$/],
    [
      "a short revision of another one",
      put("RELEASE_SHORT_SHA", "1234567"),
      /^RELEASE_SHORT_SHA must be the beginning of RELEASE_SHA$/,
    ],
    [
      "a time that is none",
      put("RELEASE_CREATED_AT", "today"),
      /^RELEASE_CREATED_AT must be a time/,
    ],
    ["a day that is none", put("RELEASE_CREATED_AT", "2026-02-31T00:00:00Z"), /^RELEASE_CREATED/],
    [
      "a path outside of the store",
      put("SANDBOX_PATH", "/opt/x").replace(/^(SANDBOX_BIN)=.*$/m, "$1=/opt/x/bin/sandbox"),
      /^SANDBOX_PATH must be a store path/,
    ],
    ["a program elsewhere", put("DESKTOP_BIN", "/bin/sh"), /^DESKTOP_BIN is no file below DESKTOP/],
    [
      "a program that leads out",
      TEXT.replace("bin/hypervisor\n", "../../../bin/sh\n"),
      /^HYPERVISOR_BIN must be a file of/,
    ],
    [
      "a quoted value",
      put("REPO_ROOT", '"/opt/x"'),
      /^REPO_ROOT must be an absolute path of plain/,
    ],
    ["a command in a value", put("REPO_ROOT", "/opt/$(id)"), /^REPO_ROOT must be an absolute path/],
    ["a second command", put("REPO_ROOT", "/opt/x;id"), /^REPO_ROOT must be an absolute path/],
    ["a variable", put("RELEASE_SHA", "${HOME}"), /^RELEASE_SHA must be/],
  ];
  for (const [what, text, message] of refused)
    it(`is refused with ${what}`, () => {
      assert.notEqual(text, TEXT);
      assert.throws(() => parseManifestEnv(text), { message });
    });

  it("comes back from text as it went in, and means the same to a shell that sources it", () => {
    fc.assert(
      fc.property(anyEnv, (env) => {
        const text = formatManifestEnv(env);
        assert.deepEqual(parseManifestEnv(text), env);
      }),
    );
    const directory = mkdtempSync(join(tmpdir(), "nixos-promote-test-"));
    try {
      for (const env of fc.sample(anyEnv, 20)) {
        const text = formatManifestEnv(env);
        writeFileSync(join(directory, "release.env"), text);
        const print = `. ./release.env; ${KEYS.map((key) => `echo "${key}=$${key}"`).join("; ")}`;
        assert.equal(execFileSync("sh", ["-c", print], { cwd: directory, encoding: "utf8" }), text);
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("takes no value that a shell would see as anything but text", () => {
    fc.assert(
      fc.property(fc.constantFrom(...KEYS), anyText, (key, value) => {
        try {
          parseManifestEnv(put(key, value));
        } catch {
          return;
        }
        assert.match(value, /^[A-Za-z0-9/.:_+@?=-]+$/);
      }),
      { numRuns: 2000 },
    );
  });

  it("is made of what a release ships for a host's system", () => {
    const of = (name: string) => ({
      path: pathOf(name),
      ...{ narHash: "", narSize: 1, closureSize: 1 },
    });
    const manifest = withId({
      ...MANIFEST,
      components: {
        "x86_64-linux": {
          ...{ sandbox: of("sandbox-1"), hypervisor: of("hypervisor-1"), desktop: of("ui-1") },
        },
      },
    });
    const files = { sandbox: "bin/sandbox", hypervisor: "bin/hypervisor", desktop: "bin/ui" };
    const where = { host: "choiros-prod", repo: "/opt/choiros/workspace", files };
    const text = formatManifestEnv(manifestEnvOf(manifest, where));
    assert.match(text, new RegExp(`^RELEASE_SHA=${REV}\nRELEASE_SHORT_SHA=9ace77e\n`));
    assert.match(text, /^RELEASE_CREATED_AT=2026-01-01T00:00:06Z$/m);
    assert.match(text, new RegExp(`^DESKTOP_BIN=${pathOf("ui-1")}/bin/ui$`, "m"));
    assert.throws(() => manifestEnvOf(MANIFEST, where), /ships no component sandbox/);
    assert.throws(() => manifestEnvOf(manifest, { ...where, repo: "/opt/$(id)" }));
  });
});

const word = fc.stringMatching(/^[A-Za-z0-9_+@-][A-Za-z0-9._+@-]{0,20}$/);
const path = fc.array(word, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
const plain = { noNullPrototype: true } as const;
const program = fc.record(
  { path: fc.stringMatching(/^[0-9a-z+][0-9a-zA-Z+._?=-]{0,30}$/).map(pathOf), file: path },
  plain,
);
const anyEnv: fc.Arbitrary<ManifestEnv> = fc
  .record({
    rev: fc.stringMatching(/^[0-9a-f]{40}$/),
    digits: fc.integer({ min: 4, max: 40 }),
    repo: path.map((below) => `/${below}`),
    builtAt: fc.date({
      min: new Date("1970-01-01T00:00:00Z"),
      max: new Date("2999-12-31T00:00:00Z"),
      noInvalidDate: true,
    }),
    components: fc.record({ sandbox: program, hypervisor: program, desktop: program }, plain),
  })
  .map(({ digits, builtAt, ...env }) => ({
    schema: "env",
    shortRev: env.rev.slice(0, digits),
    builtAt: builtAt.toISOString().replace(/\.\d+/, ""),
    ...env,
  }));
