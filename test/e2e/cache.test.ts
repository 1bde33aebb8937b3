import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { assertRuns, eventually, pointers, REPOSITORY, World } from "./world.ts";

const PORT = 8088;
const CACHE = "/srv/cache";
const SECOND = "/srv/second";
const KEYS = "/var/lib/nixos-promote/keys";
const OTHER_KEY = `${KEYS}/other-1.secret`;
const SIGNING = /\n {4}(# )?signingKeyFile: .*/;

describe("a release that prod fetches from a cache", function () {
  this.timeout(180_000);
  let world: World;
  let http: string;

  before("release a on both hosts, and an empty cache on grind, served by Caddy", async () => {
    world = await World.settled();
    http = `http://${world.grind.address}:${PORT}`;
    await world.grind.must(["mkdir", "-p", CACHE]);
    await serve("start");
    // The way to prod that a push would take is closed for all of these.
    await world.grind.must(["rm", "/root/.ssh/id_ed25519"]);
  });

  after("the lab goes", () => world?.close());

  describe("01 before anything is touched, it is refused", () => {
    before("release b on grind", () => promoted("b"));

    it("where no cache has it, and none is pushed to", () =>
      refusedBefore(
        [{ pull: http }],
        /\[copy\.caches\] http:\S+ cannot be reached from choiros-prod|does not have \S+, and has no push/,
      ));

    it("where the only cache cannot be reached", () =>
      refusedBefore(
        [{ pull: "http://127.0.0.1:9", push: `file://${CACHE}` }],
        /\[copy\.caches\] http:\/\/127\.0\.0\.1:9 cannot be reached from choiros-prod/,
      ));

    it("where the host's Nix is built without S3, in just these words", () =>
      refusedBefore(
        [{ pull: "s3://releases?region=eu-west-1", push: `file://${CACHE}` }],
        /\[copy\.caches\] The Nix of choiros-prod cannot open s3:\S+: it is built without that kind of store/,
      ));

    for (const [what, pull] of [
      ["is none", "ftp://example.com"],
      ["turns the check of signatures off", "http://cache.example.com?trusted=true"],
      ["has a password", "https://name:password@cache.example.com"],
    ])
      it(`where a URL ${what}, with its setting`, async () => {
        copyFrom([{ pull }]);
        assert.match(await world.failingUp("prod"), /\[choiros:copy\.caches\[0\]\.pull\] must /);
      });
  });

  describe("02 over http", () => {
    it("is pushed by grind, fetched by prod, and the preview says so", async () => {
      copyFrom([{ pull: http, push: `file://${CACHE}` }]);
      const preview = await world.preview("prod");
      assert.match(preview, /copy +\d+ paths, .*, from http:\S+, which the builder fills first/);
      const output = (await world.up("prod")).output;
      assert.match(output, new RegExp(`fetched \\d+ paths: \\d+ from ${http}`));
      await assertRuns(world.prod, await world.toplevel("b", world.prod));
    });

    it("is fetched again when prod has lost it, and nothing is pushed", async () => {
      await promoted("a");
      await world.up("prod");
      await forgetOnProd(await world.toplevel("b", world.prod));
      await promoted("b");
      assert.match(await world.preview("prod"), /from http:\S+, which has it/);
      const cursor = await pushes();
      await world.up("prod");
      assert.equal(await pushes(), cursor);
      await assertRuns(world.prod, await world.toplevel("b", world.prod));
    });
  });

  describe("03 from a directory that both see, before the one over http", () => {
    it("takes each path from the first cache that has it", async () => {
      await promoted("new-unit");
      const toplevel = await world.toplevel("new-unit", world.prod);
      const [hypervisor = ""] = (await world.grind.must(["nix-store", "-qR", toplevel]))
        .split("\n")
        .filter((path) => path.includes("-hypervisor-"));
      await push(`file://${CACHE}`, toplevel);
      await push(`file://${SECOND}`, hypervisor);
      // What a shared file system would do.
      cpSync(`${world.grind.root}${SECOND}`, `${world.prod.root}${SECOND}`, { recursive: true });
      await forgetOnProd(toplevel);
      copyFrom([{ pull: `file://${SECOND}` }, { pull: http }]);
      const { output } = await world.up("prod");
      assert.match(output, new RegExp(`\\d+ from ${http}`));
      await assertRuns(world.prod, toplevel);
    });
  });

  describe("04 that prod cannot trust", () => {
    it("is refused by prod when nobody has signed it, and prod goes on as before", async () => {
      world.configure("grind", SIGNING, "\n    # signingKeyFile: none");
      await commit("unsigned");
      await refusedWith(/\[release\.signingKeyFile\].*trusts no signature/s);
    });

    it("is taken once it is signed on grind, though the cache had it already", async () => {
      const toplevel = await world.toplevel("main", world.prod);
      const sign = ["nix", "store", "sign", "--recursive", "--key-file", `${KEYS}/lab-1.secret`];
      await world.grind.must([...sign, toplevel]);
      const description = ["cat", `${CACHE}/${toplevel.slice(11, 43)}.narinfo`];
      assert.doesNotMatch(await world.grind.must(description), /^Sig:/m);
      await world.up("prod");
      assert.match(await world.grind.must(description), /^Sig: lab-1:/m);
      await assertRuns(world.prod, toplevel);
    });

    it("is refused when another key has signed it", async () => {
      const make = 'umask 077; nix key generate-secret --key-name other-1 >"$1"';
      await world.grind.must(["bash", "-euc", make, "bash", OTHER_KEY]);
      world.configure("grind", SIGNING, `\n    signingKeyFile: ${OTHER_KEY}`);
      await commit("signed by another");
      await refusedWith(/\[release\.signingKeyFile\].*trusts no signature/s);
    });

    it("is taken when that key is trusted by setting", async () => {
      const convert = 'nix key convert-secret-to-public <"$1"';
      const key = await world.grind.must(["bash", "-euc", convert, "bash", OTHER_KEY]);
      copyFrom([{ pull: http, push: `file://${CACHE}` }], [key.trim()]);
      await world.up("prod");
      await assertRuns(world.prod, await world.toplevel("main", world.prod));
    });
  });

  describe("05 that is cut short", () => {
    before("the usual key signs", () =>
      world.configure("grind", SIGNING, `\n    signingKeyFile: ${KEYS}/lab-1.secret`),
    );

    it("is said to be damaged when a description is there without its contents; prod is as before", async () => {
      const toplevel = await commit("damaged");
      await push(`file://${CACHE}`, toplevel);
      const url = `grep -Po '^URL: \\K.*' "$1/$2.narinfo"`;
      const find = ["bash", "-euc", url, "bash", CACHE, toplevel.slice(11, 43)];
      const nar = `${CACHE}/${(await world.grind.must(find)).trim()}`;
      await world.grind.must(["mv", nar, "/root/nar.away"]);
      await refusedWith(/A cache is not whole/);
      await world.grind.must(["mv", "/root/nar.away", nar]);
    });

    it("goes on from there once it is whole", async () => {
      assert.match((await world.up("prod")).output, /fetched 1 paths/);
      await assertRuns(world.prod, await world.toplevel("main", world.prod));
    });

    it("says that the cache went away while prod fetched, and keeps what has arrived", async () => {
      const toplevel = await commit("unplugged");
      await push(`file://${CACHE}`, toplevel);
      const hold = "touch /run/held; while [ -e /run/held ]; do sleep 0.1; done";
      const held = world.prod.exec(["flock", `${toplevel}.lock`, "sh", "-c", hold]);
      await eventually("the last path is held back", () => works(["test", "-e", "/run/held"]));
      const up = world.failingUp("prod");
      const pulls = "systemctl list-units --no-legend 'nixos-promote-pull-*' | grep -q running";
      await eventually("prod fetches", () => works(["bash", "-c", pulls]), 60);
      await serve("stop");
      await world.prod.must(["rm", "/run/held"]);
      await held;
      assert.match(await up, /A cache cannot be reached|The fetch from the caches failed/);
      await serve("start");
      await world.up("prod");
      await assertRuns(world.prod, toplevel);
    });
  });

  async function works(argv: readonly string[]): Promise<boolean> {
    return (await world.prod.exec([...argv])).code === 0;
  }

  async function serve(verb: "start" | "stop"): Promise<void> {
    const run = ["systemd-run", "--quiet", "--unit=cache", "--service-type=exec", "caddy"];
    const argv = [...run, "file-server", "--root", CACHE, "--listen", `:${PORT}`];
    await world.grind.must(verb === "stop" ? ["systemctl", "stop", "cache"] : argv);
    if (verb === "stop") return;
    await eventually("the cache is served", () => works(["curl", "-s", "-o", "/dev/null", http]));
  }

  async function promoted(revision: string): Promise<void> {
    await world.push(revision);
    await world.up("grind");
  }

  function copyFrom(caches: readonly object[], trustedKeys: readonly string[] = []): void {
    const keys = trustedKeys.length === 0 ? {} : { trustedKeys };
    const settings = JSON.stringify({ via: "cache", caches, ...keys });
    world.configure("prod", /choiros:copy: .*/, `choiros:copy: ${settings} # ${Date.now()}`);
  }

  async function refusedBefore(caches: readonly object[], why: RegExp): Promise<void> {
    copyFrom(caches);
    const [before, cursor] = [await pointers(world.prod), await pushes()];
    assert.match(await world.failingUp("prod"), why);
    assert.deepEqual(await pointers(world.prod), before);
    assert.equal(await pushes(), cursor, "it was pushed");
  }

  async function refusedWith(why: RegExp): Promise<void> {
    const before = await pointers(world.prod);
    copyFrom([{ pull: http, push: `file://${CACHE}` }]);
    assert.match(await world.failingUp("prod"), why);
    assert.deepEqual(await pointers(world.prod), before);
  }

  /** A release that nobody has seen before, on grind; prod's system. */
  async function commit(name: string): Promise<string> {
    const script = `cd -- "$1"; echo "$2" >packages/desktop/note.txt; git add --all
      git -c user.name=ChoirOS -c user.email=platform@example.com commit --quiet -m "$2"`;
    await world.grind.must(["bash", "-euc", script, "bash", REPOSITORY, name]);
    await world.up("grind");
    return world.toplevel("main", world.prod);
  }

  async function push(to: string, path: string): Promise<void> {
    await world.grind.must(["nix", "copy", "--to", to, path]);
  }

  async function pushes(): Promise<string> {
    return world.grind.must([
      "bash",
      "-c",
      "ls /var/lib/nixos-promote/jobs | grep -c push || true",
    ]);
  }

  async function forgetOnProd(path: string): Promise<void> {
    const script =
      'rm -f /nix/var/nix/gcroots/nixos-promote/{previous,closure-"${1:11:32}"}; nix-collect-garbage -d >&2';
    await world.prod.must(["bash", "-euc", script, "bash", path]);
  }
});
