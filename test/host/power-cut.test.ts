// The power is cut at every step of an activation, which is shown to be at that step first; then the host boots again.
import assert from "node:assert/strict";
import { readFile, rm } from "node:fs/promises";
import { history, ledgerRecord } from "../../contract/ledger.ts";
import { ask, eventually, follow, type Job, reach } from "./on-host.ts";
import { ASKING, type More, Prod, SOAKING, transactionRoots, usualProbes } from "./prod.ts";
import { UNITS } from "./releases.ts";

const JOBS = "/var/lib/nixos-promote/jobs";
const LEDGER = "/var/lib/nixos-promote/ledger.jsonl";

describe("power cut", function () {
  this.timeout(180_000);
  const prod = Prod.alwaysSettled();
  let a: string;
  let b: string;

  before("release b is there too", async function () {
    this.timeout(300_000);
    a = prod.a;
    b = await prod.releases.onProd("b");
  });

  async function runs(pattern: string): Promise<boolean> {
    return (await prod.host.exec(["pgrep", "--full", pattern])).code === 0;
  }

  /** Somebody else locks a file, until the power is cut. */
  async function lock(file: string): Promise<void> {
    await prod.host.must(["systemd-run", "--quiet", "flock", file, "sleep", "300"]);
    await eventually(
      `${file} is locked`,
      async () => (await prod.host.exec(["flock", "--nonblock", file, "true"])).code !== 0,
    );
  }

  async function profile(): Promise<string> {
    return (await prod.sh("readlink -f /nix/var/nix/profiles/system")).trim();
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
      proof: async () => assert.equal((await prod.look()).currentSystem, b),
    },
    {
      ...{ step: "await-confirmation", when: "while it waits for the operator", tag: "b" },
      more: ASKING,
      proof: async () => assert.equal((await prod.look()).currentSystem, b),
    },
    {
      ...{ step: "commit", when: "before the profile is set", tag: "b" },
      at: "await-confirmation",
      more: ASKING,
      block: async ({ id }) => {
        await lock("/nix/var/nix/gc.lock");
        assert.equal((await ask(prod.host, "confirm", { id }))["accepted"], true);
      },
      proof: async () => {
        await eventually("it waits for the profile", () => runs("nix-env --profile"));
        assert.equal(await profile(), a);
      },
    },
    {
      ...{ step: "commit", when: "between the profile and the boot default", tag: "b" },
      block: () => prod.sh("mkfifo /boot/loader/.default.new"),
      proof: async () => {
        await eventually("it writes the boot default", () => runs("install-boot-loader"));
        assert.equal(await profile(), b);
        assert.equal(await prod.bootDefault(), a);
      },
    },
    {
      ...{ step: "commit", when: "between the boot default and the ledger", tag: "b", boots: "b" },
      block: () => prod.sh(`mv ${LEDGER} ${LEDGER}.kept && mkfifo ${LEDGER}`),
      proof: async () => {
        await eventually(
          "the boot default is written",
          async () => (await prod.bootDefault()) === b,
        );
        await eventually(
          "the roots are set",
          async () => (await prod.look()).roots["current"] === b,
        );
      },
    },
    {
      ...{ step: "diagnose", when: "while it collects what went wrong", tag: "c-503" },
      at: "health",
      block: ({ id }) => prod.sh(`mkfifo ${JOBS}/${id}/diagnostics.txt.new`),
      proof: async () => assert.notEqual((await prod.look()).currentSystem, a),
    },
    {
      ...{ step: "rollback", when: "before the way back", tag: "c-503" },
      at: "health",
      block: () => lock("/run/nixos/switch-to-configuration.lock"),
      proof: async () => assert.notEqual((await prod.look()).currentSystem, a),
    },
    {
      ...{ step: "rollback-health", when: "while the previous system is watched", tag: "c-503" },
      more: {
        probes: [
          ...usualProbes(),
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
      block: () => prod.sh("cat /run/current-system/nixos-version >/run/was"),
      proof: async () => assert.equal((await prod.look()).currentSystem, a),
    },
  ];

  for (const { step, when, tag, more, block, at, proof, boots } of cuts) {
    it(`in ${step}, ${when}: it boots ${boots === "b" ? "the new system" : "what it ran"}`, async () => {
      await prod.releases.onProd(tag);
      const job = await prod.job(tag, more);
      if (at === undefined) await block?.(job);
      await prod.begin(job);
      if (at !== undefined) {
        await reach(prod.host, job.id, at);
        await block?.(job);
      }
      await reach(prod.host, job.id, step);
      await proof();
      assert.equal((await follow(prod.host, job.id)).state, "running");

      await prod.host.powerCut();
      // What was put in the way is no part of the fault.
      await rm(`${prod.host.root}/boot/loader/.default.new`, { force: true });
      if ((await readFile(`${prod.host.root}${LEDGER}.kept`, "utf8").catch(() => "")) !== "")
        await rm(`${prod.host.root}${LEDGER}`);
      await prod.host.boot();
      await prod.sh(`[[ ! -e ${LEDGER}.kept ]] || mv ${LEDGER}.kept ${LEDGER}`);

      const expected = boots === "b" ? b : a;
      const state = await prod.look();
      assert.equal(state.currentSystem, expected);
      assert.equal(state.bootedSystem, expected);
      assert.equal(await prod.bootDefault(), expected);
      assert.ok(
        state.profile === expected || when.startsWith("between the profile"),
        `${state.profile}`,
      );
      assert.equal(state.activation, null);
      assert.deepEqual(state.interrupted, { id: job.id, step });
      assert.equal((await follow(prod.host, job.id)).state, "lost");
      await eventually("its services run", async () => {
        const { units } = await prod.look();
        return UNITS.every((unit) => units[unit]?.active === "active");
      });

      const next = await prod.activate("b");
      assert.equal(next.outcome, "committed", next.reason ?? "");
      const after = await prod.look();
      assert.equal(after.interrupted, null);
      assert.deepEqual([after.currentSystem, after.profile, await prod.bootDefault()], [b, b, b]);
      assert.deepEqual(transactionRoots(after), []);
      const records = history.parse(await ask(prod.host, "history", { limit: 50 })).records;
      const ends = records
        .filter(({ id }) => id === job.id)
        .map(({ outcome, failedStep }) => [outcome, failedStep]);
      assert.deepEqual(ends, [["cut-off", step]], "the next one has put it on record");
    });
  }

  describe("on a host with the guard", () => {
    let guarded: string;
    /** Of earlier tests. */
    let before: string;
    const cutOff = () => prod.sh(`grep -c cut-off ${LEDGER} || true`);

    beforeEach(async () => {
      guarded = await prod.releases.onProd("guarded");
      before = await cutOff();
      assert.equal((await prod.activate("guarded")).outcome, "committed");
    });

    it("does not take the activation that brings it for one that was cut off", async () => {
      assert.equal(
        (await prod.host.must(["systemctl", "is-active", "nixos-promote-boot-guard"])).trim(),
        "active",
      );
      assert.equal(await cutOff(), before);
      assert.equal((await prod.host.exec(["bash", "-c", `ls ${JOBS}/*/interrupted.json`])).code, 2);
      await prod.host.powerCut();
      await prod.host.boot();
      await eventually(
        "it has looked",
        async () =>
          (await prod.host.exec(["systemctl", "is-active", "nixos-promote-boot-guard"])).code === 0,
      );
      assert.equal(await cutOff(), before);
    });

    it("puts on record what was cut off and what it booted: once, in journal and ledger", async () => {
      const job = await prod.beginTo("health", "b", { probes: SOAKING });
      assert.equal((await prod.look()).currentSystem, b);
      await prod.host.powerCut();
      await prod.host.boot();

      await eventually(
        "it has looked",
        async () => (await prod.look()).interrupted?.record != null,
      );
      const state = await prod.look();
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
        (await prod.sh(`grep cut-off ${LEDGER} | grep -F '"${job.id}"'`))
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line));
      const [entry, ...more] = await entries();
      assert.deepEqual(more, []);
      assert.deepEqual(
        { ...entry, at: 0 },
        {
          ...{ at: 0, id: job.id, mode: "switch", outcome: "cut-off", toplevel: b },
          ...{ previous: guarded, failedStep: "health", after: { bootedSystem: guarded } },
        },
      );
      assert.ok(ledgerRecord.safeParse(entry).success);
      assert.match(
        await prod.sh(
          "journalctl --quiet --identifier=nixos-promote --unit=nixos-promote-boot-guard --output=cat",
        ),
        new RegExp(
          `The activation ${job.id} of ${b} was cut off in the step health; the host has booted ${guarded}\\.`,
        ),
      );

      await prod.host.powerCut();
      await prod.host.boot();
      await eventually(
        "it has looked again",
        async () =>
          (await prod.host.exec(["systemctl", "is-active", "nixos-promote-boot-guard"])).code === 0,
      );
      assert.equal((await entries()).length, 1);
      assert.equal((await prod.activate("b")).outcome, "committed");
      assert.equal((await entries()).length, 1, "the next one does not do it again");
      const observed = await ask(prod.host, "observe", { units: [], paths: [] });
      assert.equal(observed["interrupted"], null);
    });
  });
});
