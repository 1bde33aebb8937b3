import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { assertRuns, eventually, pointers, REPOSITORY, World } from "./world.ts";

const PORT = 8088;
const CACHE = "/srv/cache";
const SECOND = "/srv/second";
const SHARED = "/srv/shared";
/** Where no cache is. */
const NOBODY = "http://127.0.0.1:9";
const PULLS = "systemctl list-units --no-legend 'nixos-promote-pull-*' | grep -q running";
const KEYS = "/var/lib/nixos-promote/keys";
const OTHER_KEY = `${KEYS}/other-1.secret`;
const SIGNING = /\n {4}(# )?signingKeyFile: .*/;

describe("a release that prod fetches from a cache", function () {
  this.timeout(300_000);
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
        /\[copy\.caches\] \d+ of \d+ paths are in no cache that choiros-prod can fetch them from/,
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

    it("where one cache is ill and must not be, though another one would do: by the preview too", async () => {
      const caches = [{ pull: http, push: `file://${CACHE}` }, { pull: NOBODY }];
      const why =
        /\[copy\.caches\] http:\/\/127\.0\.0\.1:9 cannot be reached.*\[copy\.check\] is fail/s;
      await refusedBefore(caches, why, { check: "fail" });
      const preview = await world.project.pulumi(["preview", "--stack", "prod"]);
      assert.notEqual(preview.code, 0);
      assert.match(preview.output, why);
    });

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
      copyFrom([{ pull: http, push: `file://${CACHE}` }, { pull: NOBODY }]);
      const preview = await world.preview("prod");
      const amount = "\\d+ paths, [\\d.]+ KiB";
      const first = `copy +(${amount})\n +\\1 from ${http}, which the builder fills first`;
      assert.match(preview, new RegExp(first));
      assert.match(preview, /warning: \[copy\.caches\] http:\/\/127\.0\.0\.1:9 cannot be reached/);
      const output = (await world.up("prod")).output;
      assert.match(output, new RegExp(`fetched \\d+ paths: \\d+ from ${http}`));
      await assertRuns(world.prod, await world.toplevel("b", world.prod));
    });

    it("is fetched again when prod has lost it, and nothing is pushed", async () => {
      await promoted("a");
      await world.up("prod");
      await forgetOnProd(await world.toplevel("b", world.prod));
      await promoted("b");
      copyFrom([{ pull: http, push: `file://${CACHE}` }]);
      const preview = await world.preview("prod");
      assert.match(preview, new RegExp(`copy +.* paths, .*\n +\\d+ paths, .* from ${http}$`, "m"));
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
      const preview = await world.preview("prod");
      const sources = new RegExp(`(\\d+) paths, .* from (file://${SECOND}|${http})$`, "gm");
      const foretold = [...preview.matchAll(sources)].map(
        ([, count, from]) => `${count} from ${from}`,
      );
      assert.equal(foretold.length, 2, preview);
      const { output } = await world.up("prod");
      for (const source of foretold) assert.ok(output.includes(source), `${source}: ${output}`);
      await assertRuns(world.prod, toplevel);
    });
  });

  describe("04 that prod cannot trust", () => {
    it("is refused by prod when nobody has signed it, and prod goes on as before", async () => {
      world.configure("grind", SIGNING, "\n    # signingKeyFile: none");
      await commit("unsigned");
      copyFrom([{ pull: http, push: `file://${CACHE}` }]);
      const preview = await world.preview("prod");
      assert.match(preview, /choiros-prod trusts no signature on \d+ of \d+ paths/);
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
      copyFrom([{ pull: http, push: `file://${CACHE}` }], { trustedKeys: [key.trim()] });
      await world.up("prod");
      await assertRuns(world.prod, await world.toplevel("main", world.prod));
    });

    it("is built by prod where the settings say so, and nowhere else: the two before were not", async () => {
      const toplevel = await commit("signed by another, again");
      await refusedWith(/trusts no signature/);
      copyFrom([{ pull: http, push: `file://${CACHE}` }], { hostBuildFallback: true });
      const { output } = await world.up("prod");
      assert.match(output, /the host built \d+ derivations itself/);
      await assertRuns(world.prod, toplevel);
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
      await world.grind.must(["rm", nar]);
      copyFrom([{ pull: http }]);
      await refusedWith(/A cache is not whole/, false);
    });

    it("is mended by grind where it pushes, and goes on from there", async () => {
      copyFrom([{ pull: http, push: `file://${CACHE}` }]);
      const { output } = await world.up("prod");
      assert.match(output, /1 damaged paths were pushed again/);
      assert.match(output, /fetched 1 paths/);
      await assertRuns(world.prod, await world.toplevel("main", world.prod));
    });

    it("says that the cache went away while prod fetched, and keeps what has arrived", async () => {
      const toplevel = await commit("unplugged");
      await push(`file://${CACHE}`, toplevel);
      copyFrom([{ pull: http }]);
      const release = await hold(toplevel);
      const up = world.failingUp("prod");
      await eventually("prod fetches", () => works(["bash", "-c", PULLS]), 60);
      await serve("stop");
      await release();
      assert.match(await up, /A cache cannot be reached|The fetch from the caches failed/);
      await serve("start");
      await world.up("prod");
      await assertRuns(world.prod, toplevel);
    });
  });

  for (const [kind, number] of [
    ["http", "06"],
    ["file", "07"],
  ] as const)
    describe(`${number} over ${kind}, pushed by hand`, () => {
      let toplevel: string;

      before("a release that nobody has signed, in the cache", async () => {
        world.configure("grind", SIGNING, "\n    # signingKeyFile: none");
        toplevel = await commit(`over ${kind}`);
        await push(`file://${CACHE}`, toplevel);
        copyFrom([{ pull: kind === "http" ? http : `file://${SHARED}` }]);
      });
      after(() => world.configure("grind", SIGNING, `\n    signingKeyFile: ${KEYS}/lab-1.secret`));

      it("is refused unsigned", () => refusedAsShared(/trusts no signature/));

      it("is refused with the signature of another key", async () => {
        await sign(OTHER_KEY);
        await refusedAsShared(/trusts no signature.* Signed there by other-1/);
      });

      it("is cut off where the fetch is killed, and prod is as before", async () => {
        await sign(`${KEYS}/lab-1.secret`);
        share();
        const release = await hold(toplevel);
        const up = world.failingUp("prod");
        const all = (await world.grind.must(["nix-store", "-qR", toplevel])).split("\n");
        const others = all.filter((path) => path !== "" && path !== toplevel);
        await eventually(
          "the others arrive",
          () => works(["nix-store", "--check-validity", ...others]),
          60,
        );
        await world.prod.must(["systemctl", "kill", "--signal=KILL", "nixos-promote-pull-*"]);
        assert.match(await up, /was cut off in step pull/);
        await release();
        assert.ok(!(await works(["nix-store", "--check-validity", toplevel])));
      });

      it("goes on from there", async () => {
        assert.match((await world.up("prod")).output, /fetched 1 paths: 1 from/);
        await assertRuns(world.prod, toplevel);
      });

      async function sign(key: string): Promise<void> {
        const argv = ["nix", "store", "sign", "--recursive", "--key-file", key];
        await world.grind.must([...argv, "--store", `file://${CACHE}`, toplevel]);
      }

      /** What a shared file system would do. */
      function share(): void {
        const [from, to] = [`${world.grind.root}${CACHE}`, `${world.prod.root}${SHARED}`];
        cpSync(from, to, { recursive: true });
      }

      async function refusedAsShared(why: RegExp): Promise<void> {
        share();
        await refusedWith(why, false);
      }
    });

  /** Holds a path back on prod, which waits for it with all others there; answers how to let it go. */
  async function hold(path: string): Promise<() => Promise<void>> {
    const wait = "touch /run/held; while [ -e /run/held ]; do sleep 0.1; done";
    const held = world.prod.exec(["flock", `${path}.lock`, "sh", "-c", wait]);
    await eventually("the path is held back", () => works(["test", "-e", "/run/held"]));
    return async () => {
      await world.prod.must(["rm", "/run/held"]);
      await held;
    };
  }

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

  function copyFrom(caches: readonly object[], more: object = {}): void {
    const settings = JSON.stringify({ via: "cache", caches, ...more });
    world.configure("prod", /choiros:copy: .*/, `choiros:copy: ${settings} # ${Date.now()}`);
  }

  async function refusedBefore(
    caches: readonly object[],
    why: RegExp,
    more: object = {},
  ): Promise<void> {
    copyFrom(caches, more);
    const [before, cursor] = [await pointers(world.prod), await pushes()];
    assert.match(await world.failingUp("prod"), why);
    assert.deepEqual(await pointers(world.prod), before);
    assert.equal(await pushes(), cursor, "it was pushed");
  }

  async function refusedWith(why: RegExp, pushed = true): Promise<void> {
    const before = await pointers(world.prod);
    if (pushed) copyFrom([{ pull: http, push: `file://${CACHE}` }]);
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
      "ls /var/lib/nixos-promote/jobs | grep -c fill || true",
    ]);
  }

  async function forgetOnProd(path: string): Promise<void> {
    const script =
      'rm -f /nix/var/nix/gcroots/nixos-promote/{previous,closure-"${1:11:32}"}; nix-collect-garbage -d >&2';
    await world.prod.must(["bash", "-euc", script, "bash", path]);
  }
});
