// What a host sees of binary caches, and what the builder pushes there: real Nix, real directories, and a stand-in for the tool of Cachix.
import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import type { Argument } from "../../providers/executors/argument.ts";
import { pathOf } from "../support/samples.ts";
import { type Answer, ask, eventually, type JobState, newId, run } from "./on-host.ts";
import { KEY, Releases } from "./releases.ts";

const NOWHERE = "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-nowhere";
const TOKEN = "eyJhbGciOi.the-token.of-this-test";
const TOKEN_FILE = "/run/cachix token";

/** Tells what it was called with, and pushes into a directory. */
const CACHIX = `#!/bin/bash
printf '%s\\0' "$@" >/run/cachix.argv
cat /proc/$$/environ >/run/cachix.environ
if [[ -e /run/cachix.fails ]]; then echo "Error: 401 Unauthorized" >&2; exit 1; fi
shift 2
exec nix --extra-experimental-features nix-command copy --to file:///srv/cachix -- "$@"
`;

describe("binary caches on hosts", function () {
  this.timeout(120_000);
  let on: Releases;
  let system = "";

  before("a lab, and a release that grind has signed", async function () {
    this.timeout(300_000);
    on = await Releases.open(process.env["TEST_LAB"] ?? "test");
    const { rev, hosts } = await on.resolve("a");
    const { drvPath, outPath } = hosts["choiros-prod"] ?? { drvPath: "", outPath: "" };
    await on.build(rev, { "choiros-prod": drvPath });
    system = outPath;
    await on.grind.must(["rm", "-rf", "/srv/whole", "/srv/first", "/srv/cachix", "/srv/nothing"]);
  });
  after(() => on?.close());

  async function fill(argument: { [key: string]: Argument }): Promise<JobState> {
    return run(on.grind, { id: newId("fill"), command: "fill", argument });
  }
  const errorOf = ({ result }: { result: Answer | null }) =>
    (result as { error?: Record<string, string> } | null)?.error ?? {};

  /** A path of its own, which nobody has signed. */
  async function unsigned(name: string): Promise<string> {
    const drv = `derivation { name = "${name}"; system = "x86_64-linux"; builder = "/bin/sh";
      args = [ "-c" "echo ${Date.now()} > $out" ]; }`;
    return (await on.grind.must(["nix-build", "--no-out-link", "--expr", drv])).trim();
  }

  async function closure(path: string): Promise<string[]> {
    return (await on.grind.must(["nix-store", "-qR", path])).split("\n").filter(Boolean);
  }

  describe("looked at", () => {
    interface Looked {
      keys: string[];
      caches: {
        state: string;
        said: string;
        missing: number[];
        untrusted: number[];
        signers: string[];
      }[];
    }
    const look = async (argument: { [key: string]: Argument }) =>
      (await ask(on.grind, "cached", { trustedKeys: [], ...argument })) as unknown as Looked;

    it("have what is signed by a trusted key, by its place in the question", async () => {
      const unknown = await unsigned("unknown");
      await fill({ path: system, caches: [{ to: "file:///srv/whole" }] });
      await fill({ path: unknown, caches: [{ to: "file:///srv/whole" }] });
      const paths = [NOWHERE, unknown, ...(await closure(system))];
      const { keys, caches } = await look({ paths, caches: ["file:///srv/whole"] });
      const [found] = caches;
      assert.deepEqual(
        { ...found, said: "" },
        { state: "open", said: "", missing: [0], untrusted: [1], signers: [] },
      );
      assert.ok(keys.some((key) => key.startsWith("lab-1:")));
    });

    it("name the key that the host does not trust, and trust it by setting", async () => {
      const path = await unsigned("by-another");
      const script = `umask 077; nix key generate-secret --key-name another-1 >/run/another
        nix store sign --key-file /run/another "$1"; nix key convert-secret-to-public </run/another`;
      const key = (await on.grind.must(["bash", "-euc", script, "bash", path])).trim();
      await fill({ path, caches: [{ to: "file:///srv/whole" }] });
      const question = { paths: [path], caches: ["file:///srv/whole"] };
      const before = (await look(question)).caches[0];
      assert.deepEqual([before?.untrusted, before?.signers], [[0], ["another-1"]]);
      const { keys, caches } = await look({ ...question, trustedKeys: [key] });
      assert.deepEqual([caches[0]?.untrusted, keys.includes(key)], [[], true]);
    });

    it("are all asked at once, and each answers for itself", async () => {
      const caches = [
        "file:///srv/nothing",
        "http://127.0.0.1:9",
        "s3://releases",
        "file:///srv/whole",
      ];
      const found = await look({ paths: [system], caches });
      assert.deepEqual(
        found.caches.map(({ state, missing }) => [state, missing.length]),
        [
          ["open", 1],
          ["unreachable", 0],
          ["unsupported", 0],
          ["open", 0],
        ],
      );
      assert.match(found.caches[1]?.said ?? "", /unable to download/);
      assert.notEqual((await on.grind.exec(["test", "-e", "/srv/nothing"])).code, 0, "it was made");
    });

    it("over http answer for many paths in one question, and for what has come since at once", async () => {
      const run = ["systemd-run", "--quiet", "--unit=whole", "--service-type=exec", "caddy"];
      await on.grind.must([...run, "file-server", "--root", "/srv/whole", "--listen", ":8089"]);
      const made = Array.from({ length: 30 }, (_, number) => pathOf(`made-up-${number}`));
      const path = await unsigned("come-since");
      const question = { paths: [...made, path], caches: ["http://127.0.0.1:8089"] };
      const listens = ["curl", "-fs", "http://127.0.0.1:8089/nix-cache-info"];
      await eventually("it is served", async () => (await on.grind.exec(listens)).code === 0);
      const before = (await look(question)).caches[0];
      assert.deepEqual([before?.state, before?.missing.length], ["open", 31]);
      await fill({ path, caches: [{ to: "file:///srv/whole" }] });
      const after = (await look(question)).caches[0];
      assert.deepEqual([after?.missing.length, after?.untrusted], [30, [30]]);
      await on.grind.must(["systemctl", "stop", "whole"]);
    });

    it("let the builder say what it has signed itself", async () => {
      const path = await unsigned("unsigned");
      const { keys } = await look({ paths: [system], caches: [] });
      const answer = await ask(on.grind, "signed", { paths: [path, system], keys });
      assert.deepEqual(answer, { unsigned: [path] });
    });
  });

  describe("filled", () => {
    it("are refused together when one of them cannot be pushed to, before the first one gets anything", async () => {
      const cachix = { to: "cachix://releases", tokenFile: TOKEN_FILE };
      const caches = [{ to: "file:///srv/first" }, cachix];
      assert.equal(errorOf(await fill({ path: system, caches }))["code"], "no-cachix");
      writeFileSync(`${on.grind.root}/usr/local/bin/cachix`, CACHIX);
      chmodSync(`${on.grind.root}/usr/local/bin/cachix`, 0o755);
      const error = errorOf(await fill({ path: system, caches }));
      assert.equal(error["code"], "no-token");
      assert.match(error["message"] ?? "", /no token of Cachix in '\/run\/cachix token'/);
      assert.notEqual((await on.grind.exec(["test", "-e", "/srv/first"])).code, 0, "it was pushed");
    });

    it("at Cachix get all of it by its tool, whose environment alone has the token", async () => {
      const write = 'umask 077; printf "%s\\n" "$1" >"$2"';
      await on.grind.must(["bash", "-c", write, "bash", TOKEN, TOKEN_FILE]);
      const caches = [{ to: "cachix://releases", tokenFile: TOKEN_FILE }];
      const ended = await fill({ path: system, caches });
      assert.equal(ended.result?.["copied"], (await closure(system)).length, JSON.stringify(ended));
      const read = async (file: string) => (await on.grind.must(["cat", file])).split("\0");
      assert.deepEqual(await read("/run/cachix.argv"), ["push", "releases", system, ""]);
      assert.ok((await read("/run/cachix.environ")).includes(`CACHIX_AUTH_TOKEN=${TOKEN}`));
      await on.grind.must(["nix", "path-info", "-r", "--store", "file:///srv/cachix", system]);
      const places = ["/var/lib/nixos-promote", "/srv/cachix", "/run/nixos-promote"];
      const traces = await on.grind.exec(["grep", "-rlF", TOKEN, ...places]);
      assert.equal(traces.stdout, "");
      const log = await on.grind.exec(["bash", "-c", 'journalctl | grep -cF "$1"', "bash", TOKEN]);
      assert.equal(log.stdout.trim(), "0");
    });

    it("at Cachix say when it does not let the builder in", async () => {
      await on.grind.must(["touch", "/run/cachix.fails"]);
      const caches = [{ to: "cachix://releases", tokenFile: TOKEN_FILE }];
      const error = errorOf(await fill({ path: system, caches }));
      assert.equal(error["code"], "auth");
      assert.match(error["message"] ?? "", /^cachix:\/\/releases does not let the builder push/);
    });

    it("are mended where a description or contents are damaged, and nothing else is touched", async () => {
      const to = "file:///srv/whole";
      const paths = await closure(system);
      assert.ok(paths.length >= 4);
      const script = `cd /srv/whole; of() { grep -Po '^URL: \\K.*' "$1.narinfo"; }
        rm "$(of "$1")"; f=$(of "$2"); head -c 40 "$f" >/run/cut; cat /run/cut >"$f"; echo garbage >"$3.narinfo"; stat -c '%i %Y' "$4.narinfo"`;
      const hashes = paths.slice(0, 4).map((path) => path.slice(11, 43));
      const whole = await on.grind.must(["bash", "-euc", script, "bash", ...hashes]);
      const verify = ["nix", "store", "verify", "--no-trust", "--store", to];
      const substitute = ["--option", "substituters", ""];
      assert.notEqual((await on.grind.exec([...verify, ...substitute, ...paths])).code, 0);
      const { caches } = (await ask(on.grind, "cached", { paths, caches: [to] })) as unknown as {
        caches: { state: string }[];
      };
      assert.equal(caches[0]?.state, "damaged");
      const ended = await fill({ path: system, caches: [{ to, repair: true }], suspects: paths });
      assert.deepEqual([ended.result?.["dropped"], ended.result?.["copied"]], [3, 3]);
      await on.grind.must([...verify, ...substitute, ...paths]);
      const info = `/srv/whole/${hashes[3]}.narinfo`;
      assert.equal(await on.grind.must(["stat", "-c", "%i %Y", info]), whole);
    });

    it("get the signatures that have come since", async () => {
      const path = await unsigned("signed-later");
      const to = "file:///srv/whole";
      await fill({ path, caches: [{ to }] });
      await on.grind.must(["nix", "store", "sign", "--key-file", KEY, path]);
      const told = ["cat", `/srv/whole/${path.slice(11, 43)}.narinfo`];
      assert.doesNotMatch(await on.grind.must(told), /^Sig:/m);
      await fill({ path, caches: [{ to, signatures: true }] });
      assert.match(await on.grind.must(told), /^Sig: lab-1:/m);
    });

    it("take no other store, and nothing in their names as an option", async () => {
      for (const to of [
        "ssh-ng://prod",
        "--to",
        "file:///srv?trusted=1",
        "cachix://--help",
        "daemon",
      ])
        assert.equal(
          errorOf(await fill({ path: system, caches: [{ to }] }))["code"],
          "bad-argument",
          to,
        );
    });
  });
});
