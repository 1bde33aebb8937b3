// The power is cut at every step of an activation, which is shown to be at that step first; then the host boots again.
import assert from "node:assert/strict";
import { readFile, rm } from "node:fs/promises";
import { ask, eventually, follow, type Job, reach } from "./on-host.ts";
import { Releases, UNITS } from "./releases.ts";
import { type More, PROBES, SOAKING, Transactions } from "./transaction.ts";

const JOBS = "/var/lib/nixos-promote/jobs";
const LEDGER = "/var/lib/nixos-promote/ledger.jsonl";

describe("power cut", function () {
  this.timeout(180_000);
  let on: Releases;
  let host: Transactions;
  let a: string;
  let b: string;

  before("a lab whose prod runs release a", async function () {
    this.timeout(300_000);
    on = await Releases.open(process.env["TEST_LAB"] ?? "test");
    host = new Transactions(on);
    await on.prod.reset();
    a = await on.onProd("a");
    b = await on.onProd("b");
  });
  after(async () => {
    await on?.prod.reset();
    await on?.close();
  });
  beforeEach("prod runs a, and would boot it", async () => {
    if (!on.prod.isRunning()) await on.prod.boot();
    assert.equal((await host.activate("a")).outcome, "committed");
  });

  function sh(script: string): Promise<string> {
    return on.prod.must(["bash", "-euc", script]);
  }

  async function runs(pattern: string): Promise<boolean> {
    return (await on.prod.exec(["pgrep", "--full", pattern])).code === 0;
  }

  /** Somebody else locks a file, until the power is cut. */
  async function lock(file: string): Promise<void> {
    await on.prod.must(["systemd-run", "--quiet", "flock", file, "sleep", "300"]);
    await eventually(
      `${file} is locked`,
      async () => (await on.prod.exec(["flock", "--nonblock", file, "true"])).code !== 0,
    );
  }

  async function profile(): Promise<string> {
    return (await sh("readlink -f /nix/var/nix/profiles/system")).trim();
  }

  interface Cut {
    readonly step: string;
    readonly when: string;
    readonly tag: string;
    readonly more?: More;
    /** What makes the host stop there: done before it begins, or at the step `at`. */
    readonly block?: (job: Job) => Promise<unknown>;
    readonly at?: string;
    /** Proof that it is there. */
    readonly proof: () => Promise<void>;
    readonly boots?: "b";
  }

  // Before the boot default is written, the host boots what it ran; from then on, the new system.
  const cuts: Cut[] = [
    {
      ...{ step: "preflight", when: "before anything was touched", tag: "b" },
      block: () => lock("/nix/var/nix/gc.lock"),
      proof: () => eventually("it waits for the store", () => runs("nix-store .*transaction-next")),
    },
    {
      ...{ step: "test", when: "while the activation script runs", tag: "slow-activate" },
      proof: () => eventually("the script runs", () => runs("system-choiros-prod-[^/]*/activate")),
    },
    {
      ...{ step: "health", when: "while the services are watched", tag: "b" },
      more: { probes: SOAKING },
      proof: async () => assert.equal((await host.look()).currentSystem, b),
    },
    {
      ...{ step: "await-confirmation", when: "while it waits for the operator", tag: "b" },
      more: { confirm: true },
      proof: async () => assert.equal((await host.look()).currentSystem, b),
    },
    {
      ...{ step: "commit", when: "before the profile is set", tag: "b" },
      at: "await-confirmation",
      more: { confirm: true },
      block: async ({ id }) => {
        await lock("/nix/var/nix/gc.lock");
        assert.equal((await ask(on.prod, "confirm", { id }))["accepted"], true);
      },
      proof: async () => {
        await eventually("it waits for the profile", () => runs("nix-env --profile"));
        assert.equal(await profile(), a);
      },
    },
    {
      ...{ step: "commit", when: "between the profile and the boot default", tag: "b" },
      block: () => sh("mkfifo /boot/loader/.default.new"),
      proof: async () => {
        await eventually("it writes the boot default", () => runs("install-boot-loader"));
        assert.equal(await profile(), b);
        assert.equal(await host.bootDefault(), a);
      },
    },
    {
      ...{ step: "commit", when: "between the boot default and the ledger", tag: "b", boots: "b" },
      block: () => sh(`mv ${LEDGER} ${LEDGER}.kept && mkfifo ${LEDGER}`),
      proof: async () => {
        await eventually(
          "the boot default is written",
          async () => (await host.bootDefault()) === b,
        );
        await eventually(
          "the roots are set",
          async () => (await host.look()).roots["current"] === b,
        );
      },
    },
    {
      ...{ step: "diagnose", when: "while it collects what went wrong", tag: "c-503" },
      at: "health",
      block: ({ id }) => sh(`mkfifo ${JOBS}/${id}/diagnostics.txt.new`),
      proof: async () => assert.notEqual((await host.look()).currentSystem, a),
    },
    {
      ...{ step: "rollback", when: "before the way back", tag: "c-503" },
      at: "health",
      block: () => lock("/run/nixos/switch-to-configuration.lock"),
      proof: async () => assert.notEqual((await host.look()).currentSystem, a),
    },
    {
      ...{ step: "rollback-health", when: "while the previous system is watched", tag: "c-503" },
      more: {
        probes: [
          ...PROBES,
          {
            ...{ name: "slow on the way back", kind: "command", timeoutSeconds: 100 },
            ...{ place: [], deadlineSeconds: 100, intervalSeconds: 1, soakSeconds: 0 },
            argv: [
              "bash",
              "-c",
              "[[ $(</run/current-system/nixos-version) != $(</run/was) ]] || sleep 99",
            ],
          },
        ],
      },
      block: () => sh("cat /run/current-system/nixos-version >/run/was"),
      proof: async () => assert.equal((await host.look()).currentSystem, a),
    },
  ];

  for (const { step, when, tag, more, block, at, proof, boots } of cuts) {
    it(`in ${step}, ${when}: it boots ${boots === "b" ? "the new system" : "what it ran"}`, async () => {
      await on.onProd(tag);
      const job = await host.job(tag, more);
      if (at === undefined) await block?.(job);
      await host.begin(job);
      if (at !== undefined) {
        await reach(on.prod, job.id, at);
        await block?.(job);
      }
      await reach(on.prod, job.id, step);
      await proof();
      assert.equal((await follow(on.prod, job.id)).state, "running");

      await on.prod.powerCut();
      // What was put in the way is no part of the fault.
      await rm(`${on.prod.root}/boot/loader/.default.new`, { force: true });
      if ((await readFile(`${on.prod.root}${LEDGER}.kept`, "utf8").catch(() => "")) !== "")
        await rm(`${on.prod.root}${LEDGER}`);
      await on.prod.boot();
      await sh(`[[ ! -e ${LEDGER}.kept ]] || mv ${LEDGER}.kept ${LEDGER}`);

      const expected = boots === "b" ? b : a;
      const state = await host.look();
      assert.equal(state.currentSystem, expected);
      assert.equal(state.bootedSystem, expected);
      assert.equal(await host.bootDefault(), expected);
      assert.ok(
        state.profile === expected || when.startsWith("between the profile"),
        `${state.profile}`,
      );
      assert.equal(state.activation, null);
      assert.deepEqual(state.interrupted, { id: job.id, step });
      assert.equal((await follow(on.prod, job.id)).state, "lost");
      await eventually("its services run", async () => {
        const { units } = await host.look();
        return UNITS.every((unit) => units[unit]?.active === "active");
      });

      const next = await host.activate("b");
      assert.equal(next.outcome, "committed", next.reason ?? "");
      const after = await host.look();
      assert.equal(after.interrupted, null);
      assert.deepEqual([after.currentSystem, after.profile, await host.bootDefault()], [b, b, b]);
      assert.deepEqual(
        Object.keys(after.roots).filter((name) => name.startsWith("transaction")),
        [],
      );
    });
  }

  describe("on a host with the guard", () => {
    let guarded: string;

    beforeEach(async () => {
      guarded = await on.onProd("guarded");
      assert.equal((await host.activate("guarded")).outcome, "committed");
    });

    it("does not take the activation that brings it for one that was cut off", async () => {
      assert.equal(
        (await on.prod.must(["systemctl", "is-active", "nixos-promote-boot-guard"])).trim(),
        "active",
      );
      assert.doesNotMatch(await sh(`cat ${LEDGER}`), /interrupted/);
      assert.equal((await on.prod.exec(["bash", "-c", `ls ${JOBS}/*/interrupted.json`])).code, 2);
      await on.prod.powerCut();
      await on.prod.boot();
      await eventually(
        "it has looked",
        async () =>
          (await on.prod.exec(["systemctl", "is-active", "nixos-promote-boot-guard"])).code === 0,
      );
      assert.doesNotMatch(await sh(`cat ${LEDGER}`), /interrupted/);
    });

    it("puts on record what was cut off and what it booted: once, in journal and ledger", async () => {
      const job = await host.job("b", { probes: SOAKING });
      await host.begin(job);
      await reach(on.prod, job.id, "health");
      assert.equal((await host.look()).currentSystem, b);
      await on.prod.powerCut();
      await on.prod.boot();
      const seen = { id: job.id, step: "health", from: guarded, to: b, booted: guarded };

      await eventually(
        "it has looked",
        async () => (await host.look()).interrupted?.record != null,
      );
      const state = await host.look();
      assert.equal(state.currentSystem, guarded);
      const { at, ...record } = state.interrupted?.record ?? { at: 0 };
      assert.ok(Math.abs(at - Date.now() / 1000) < 120, `${at}`);
      assert.deepEqual(record, { from: guarded, to: b, booted: guarded });
      assert.equal(
        state.ledger?.["toplevel"],
        guarded,
        "the last release that stayed is still told",
      );

      const entries = async () =>
        (await sh(`grep interrupted ${LEDGER}`))
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line));
      const [entry, ...more] = await entries();
      assert.deepEqual(more, []);
      assert.deepEqual({ ...entry, at: 0 }, { outcome: "interrupted", at: 0, ...seen });
      assert.match(
        await sh(
          "journalctl --quiet --identifier=nixos-promote --unit=nixos-promote-boot-guard --output=cat",
        ),
        new RegExp(
          `The activation ${job.id} of ${b} was cut off in the step health; the host has booted ${guarded}\\.`,
        ),
      );

      await on.prod.powerCut();
      await on.prod.boot();
      await eventually(
        "it has looked again",
        async () =>
          (await on.prod.exec(["systemctl", "is-active", "nixos-promote-boot-guard"])).code === 0,
      );
      assert.equal((await entries()).length, 1);
      assert.equal((await host.activate("b")).outcome, "committed");
      const observed = await ask(on.prod, "observe", { units: [], paths: [] });
      assert.equal(observed["interrupted"], null);
    });
  });
});
