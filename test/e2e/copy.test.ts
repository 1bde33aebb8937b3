import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { Instance } from "../../lab/instance.ts";
import { assertRuns, eventually, pointers, REPOSITORY, roots, World } from "./world.ts";

const KEYS = "/var/lib/nixos-promote/keys";
/** What every release of this file carries, so that its way can be measured. */
const BALLAST = 6_000_000;

describe("copying a release from grind to prod", function () {
  this.timeout(300_000);
  let world: World;
  let toplevel: string;

  before("a lab as new, and a release with ballast", async () => {
    world = await World.open();
    await loadBallast("one");
  });

  after("the lab goes", () => world?.close());

  describe("01 without a signature that prod trusts", () => {
    it("is refused when nothing was signed, and prod is untouched", async () => {
      world.configure("grind", /\n {4}signingKeyFile: .*/, "");
      await world.up("grind");
      assert.deepEqual(await signers(), []);
      await assertRefused();
    });

    it("is refused when another key has signed it, and prod is untouched", async () => {
      const make = 'umask 077; nix key generate-secret --key-name other-1 >"$1"';
      await world.grind.must(["bash", "-euc", make, "bash", `${KEYS}/other-1.secret`]);
      world.configure("grind", /( {4}repo: .*)/, `$1\n    signingKeyFile: ${KEYS}/other-1.secret`);
      await world.up("grind");
      assert.deepEqual(await signers(), ["other-1"]);
      await assertRefused();
    });

    async function assertRefused(): Promise<void> {
      const [store, runs] = [await storeOf(), await pointers(world.prod)];
      const output = await world.failingUp("prod");
      assert.match(output, /not signed by a key that it trusts/);
      assert.match(output, /add the public key to trusted-public-keys/);
      await assertNothingSignedCame(store);
      assert.deepEqual(await pointers(world.prod), runs);
    }
  });

  describe("02 directly", () => {
    it("goes from grind to prod, past the operator", async () => {
      world.configure("grind", "other-1.secret", "lab-1.secret");
      await world.up("grind");
      const before = traffic();
      await world.up("prod");
      const { operator, prod } = since(before);
      assert.ok(prod > BALLAST, `only ${prod} bytes went to prod`);
      assert.ok(operator < BALLAST / 2, `${operator} bytes passed the operator`);
      await assertRuns(world.prod, toplevel);
    });

    it("is safe from garbage collection on both ends", async () => {
      for (const host of [world.grind, world.prod]) {
        assert.ok(
          Object.values(await roots(host)).includes(toplevel),
          `not rooted on ${host.name}`,
        );
        await host.must(["nix-collect-garbage"]);
        await host.must(["nix-store", "--verify-path", toplevel]);
      }
    });
  });

  describe("03 interrupted", () => {
    it("fails when the copy dies on grind, and what has arrived is kept", async () => {
      await loadBallast("two");
      await world.up("grind");
      const runs = await pointers(world.prod);
      const release = await holdBack(toplevel);
      const up = world.failingUp("prod");
      const copies = () => world.grind.exec(["pgrep", "-f", `copy .*--to ssh-ng://choiros-prod`]);
      const heavy = (await world.grind.must(["nix-store", "-qR", toplevel]))
        .split("\n")
        .filter((path) => path.endsWith("-desktop-0.3.0"));
      assert.equal(heavy.length, 1);
      await eventually("the ballast has arrived", () => isValid(heavy[0] ?? ""), 40);
      const pids = (await copies()).stdout.split("\n").filter(Boolean);
      assert.notDeepEqual(pids, [], "no copy runs on grind");
      await world.grind.must(["kill", "-KILL", ...pids]);
      const output = await up;
      await release();
      assert.match(output, /The copy to ssh-ng:\/\/choiros-prod failed|cannot be reached/);
      assert.deepEqual(await pointers(world.prod), runs);
      assert.equal(await isValid(heavy[0] ?? ""), true);
      assert.equal(await isValid(toplevel), false);
    });

    it("goes on from there at the next up", async () => {
      const before = traffic();
      await world.up("prod");
      await assertRuns(world.prod, toplevel);
      assert.ok(since(before).prod < BALLAST, "the ballast was copied again");
    });
  });

  describe("04 by relay", () => {
    it("goes through the operator, whose store stays empty, and gives the same path", async () => {
      await loadBallast("three");
      world.configure("prod", /choiros:copy: .*/, "choiros:copy: {via: relay}");
      await world.up("grind");
      const [before, store] = [traffic(), operatorStore()];
      await world.up("prod");
      const { operator, prod } = since(before);
      assert.ok(prod > BALLAST && operator > BALLAST, `${operator} bytes, ${prod} of them to prod`);
      assert.deepEqual(operatorStore(), store);
      await assertRuns(world.prod, toplevel);
      assert.ok(Object.values(await roots(world.prod)).includes(toplevel));
    });

    it("checks signatures as well", async () => {
      world.configure("grind", /\n {4}signingKeyFile: .*/, "");
      await loadBallast("four");
      await world.up("grind");
      const [store, runs] = [await storeOf(), await pointers(world.prod)];
      const output = await world.failingUp("prod");
      assert.match(output, /choiros-prod trusts no signature on it/);
      await assertNothingSignedCame(store);
      assert.deepEqual(await pointers(world.prod), runs);
    });
  });

  /** A commit on grind whose desktop has six million random bytes more. */
  async function loadBallast(name: string): Promise<void> {
    const script = `cd -- "$1"
      head -c "$2" /dev/urandom | base64 >packages/desktop/ballast.txt
      git add --all
      git -c user.name=ChoirOS -c user.email=platform@example.com commit --quiet -m "$3"`;
    const parameters = [REPOSITORY, `${BALLAST}`, `ballast ${name}`];
    await world.grind.must(["bash", "-euc", script, "bash", ...parameters]);
    toplevel = await world.toplevel("main", world.prod);
  }

  /** Names of the keys that have signed the release on grind. */
  async function signers(): Promise<string[]> {
    const said = await world.grind.must(["nix", "path-info", "--sigs", toplevel]);
    return [...said.matchAll(/\s([a-z0-9-]+):[A-Za-z0-9+/=]{80,}/g)].map(([, name = ""]) => name);
  }

  async function storeOf(): Promise<string[]> {
    const said = await world.prod.must(["find", "/nix/store", "-maxdepth", "1"]);
    return said
      .split("\n")
      .filter((path) => !path.endsWith(".lock"))
      .sort();
  }

  /** Nothing has come since but what needs no signature, as its name is the hash of what it holds. */
  async function assertNothingSignedCame(before: readonly string[]): Promise<void> {
    const added = (await storeOf()).filter((path) => !before.includes(path));
    for (const path of added)
      assert.match(
        await world.prod.must(["nix", "path-info", "--json", path]),
        /"ca": ?"(text|fixed):/,
        path,
      );
  }

  async function isValid(path: string): Promise<boolean> {
    return (await world.prod.exec(["nix-store", "--check-validity", path])).code === 0;
  }

  /** Keeps prod from taking one path, by the lock that Nix itself takes for it. */
  async function holdBack(path: string): Promise<() => Promise<void>> {
    const script = "touch /run/held-back; while [ -e /run/held-back ]; do sleep 0.1; done";
    const held = world.prod.exec(["flock", `${path}.lock`, "sh", "-c", script]);
    const there = ["test", "-e", "/run/held-back"];
    await eventually("the lock is held", async () => (await world.prod.exec(there)).code === 0);
    return async () => {
      await world.prod.must(["rm", "/run/held-back"]);
      await held;
    };
  }

  /** Bytes so far: between the operator and the lab's network, and to prod. */
  function traffic(): { operator: number; prod: number } {
    const { bridge } = new Instance(world.lab.instance);
    const port = `${bridge}-${world.prod.address.split(".")[3]}`;
    return {
      operator: bytes(bridge, "rx") + bytes(bridge, "tx"),
      prod: bytes(port, "tx"),
    };
  }

  function since(before: { operator: number; prod: number }): { operator: number; prod: number } {
    const now = traffic();
    return { operator: now.operator - before.operator, prod: now.prod - before.prod };
  }
});

function bytes(link: string, direction: "rx" | "tx"): number {
  return Number(readFileSync(`/sys/class/net/${link}/statistics/${direction}_bytes`, "utf8"));
}

function operatorStore(): string[] {
  return existsSync("/nix/store") ? readdirSync("/nix/store").sort() : [];
}
