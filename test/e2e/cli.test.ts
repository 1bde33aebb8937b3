import assert from "node:assert/strict";
import { run } from "../../lab/process.ts";
import { withSettings } from "./faults.ts";
import { reachStep } from "./running-up.ts";
import { assertRuns, eventually, pointers, REPOSITORY, World } from "./world.ts";

/** While this file exists on prod, its health contract waits. */
const GATE = "/run/gate-closed";
const GATE_PROBE = `    - {name: gate, kind: command, argv: [test, "!", -e, ${GATE}], intervalSeconds: 0.2, deadlineSeconds: 60}\n`;

interface Finding {
  readonly state: string;
  readonly where: string;
  readonly about: string;
  readonly says: string;
  readonly fix?: string;
}

describe("the command line", function () {
  this.timeout(300_000);
  let world: World;
  let a: string;
  let b: string;

  before("a lab as new", async () => {
    world = await World.open();
    world.configure("prod", /( {2}choiros:health:\n)/, `$1${GATE_PROBE}`);
    a = await world.toplevel("a", world.prod);
    b = await world.toplevel("b", world.prod);
  });

  after("the lab goes", () => world?.close());

  const promote = (args: readonly string[], options = {}) => world.project.promote(args, options);

  /** The document of a command that must end with this code. */
  async function document<T>(code: number, args: readonly string[], options = {}): Promise<T> {
    const ended = await promote([...args, "--json"], options);
    assert.equal(ended.code, code, ended.output);
    return JSON.parse(ended.stdout) as T;
  }

  async function findings(code: number, options = {}): Promise<Finding[]> {
    return (await document<{ findings: Finding[] }>(code, ["doctor"], options)).findings;
  }

  function finding(all: readonly Finding[], where: string, about: string): Finding {
    const found = all.find((one) => one.where === where && one.about === about);
    assert.ok(found, `nothing of ${where} about ${about}: ${JSON.stringify(all, undefined, 2)}`);
    return found;
  }

  describe("01 doctor", () => {
    it("finds nothing to mend on a lab as new", async () => {
      const all = await findings(0);
      assert.deepEqual(
        all.filter(({ state }) => state !== "ok"),
        [],
      );
      for (const [where, about] of [
        ["this machine", "pulumi"],
        ["grind", "backend"],
        ["grind", "passphrase"],
        ["grind", "revision"],
        ["grind", "signing key"],
        ["prod", "connection"],
        ["prod", "machine"],
        ["prod", "room"],
        ["prod", "lock"],
        ["prod", "trust"],
        ["prod", "copy"],
      ] as const)
        assert.equal(finding(all, where, about).state, "ok");
    });

    it("says in one run what all is wrong, and what to do about it", async () => {
      await world.grind.must(["sh", "-c", `echo note >${REPOSITORY}/notes.txt`]);
      const wrong = {
        "release.rev": "no-such-branch",
        "release.signingKeyFile": "/root/no-such-key",
      };
      const prod = {
        "copy.to": "choiros-grind",
        "host.machineId": "f".repeat(32),
        "activation.preflight": { diskMarginMiB: 1_000_000 },
      };
      try {
        const all = await withSettings(world, "grind", wrong, () =>
          withSettings(world, "prod", prod, () => findings(1)),
        );
        for (const [where, about, state, says] of [
          ["grind", "repository", "fail", /is dirty: 1 change is not committed.*\?\? notes\.txt/],
          ["grind", "revision", "fail", /has no revision no-such-branch/],
          [
            "grind",
            "signing key",
            "fail",
            /\/root\/no-such-key on choiros-grind: there is no such/,
          ],
          ["prod", "copy", "fail", /does not reach choiros-grind: .*Permission denied/],
          ["prod", "machine", "fail", /is [0-9a-f]{32}, not \[host\.machineId\] ffff/],
          ["prod", "room", "fail", /only \d+ MiB are free on \S+, 1000000 MiB are needed/],
        ] as const) {
          const found = finding(all, where, about);
          assert.equal(found.state, state, JSON.stringify(found));
          assert.match(found.says, says);
          assert.ok(found.fix);
        }
      } finally {
        await world.grind.must(["rm", `${REPOSITORY}/notes.txt`]);
      }
    });

    it("says that a host takes no key of ours, or is not the pinned one, or does not answer", async () => {
      const key =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS";
      const ways: [object, RegExp][] = [
        [{ kind: "ssh", host: "choiros-prod", user: "nobody" }, /refused every key/],
        [{ kind: "ssh", host: "choiros-prod", hostKey: key }, /host key is not the pinned one/],
        [{ kind: "ssh", host: "choiros-nobody" }, /no such host or ssh alias/],
      ];
      for (const [connection, says] of ways) {
        const all = await withSettings(world, "prod", { "host.connection": connection }, () =>
          findings(1),
        );
        const found = finding(all, "prod", "connection");
        assert.equal(found.state, "fail");
        assert.match(found.says, says);
        assert.equal(finding(all, "grind", "connection").state, "ok");
      }
    });

    it("says that the key which signs is not trusted by the host", async () => {
      const file = "/root/other.secret";
      const make = `nix --extra-experimental-features nix-command key generate-secret --key-name other-1 >${file}`;
      await world.grind.must(["sh", "-c", make]);
      const all = await withSettings(world, "grind", { "release.signingKeyFile": file }, () =>
        findings(1),
      );
      assert.match(
        finding(all, "prod", "trust").says,
        /does not trust the key that signs: other-1:/,
      );
      // As root's umask has made it.
      assert.match(finding(all, "grind", "signing key").says, /can be read by everybody/);
    });

    it("says that Pulumi lacks the stack", async () => {
      const empty = { PULUMI_BACKEND_URL: `file://${world.lab.dir}` };
      const missing = finding(await findings(1, { env: empty }), "prod", "backend");
      assert.match(missing.says, /there is no such stack/);
      assert.equal(missing.fix, "pulumi stack init prod");
    });

    it("says that the passphrase is another one", async () => {
      const all = await findings(1, { env: { PULUMI_CONFIG_PASSPHRASE: "wrong" } });
      assert.match(finding(all, "prod", "passphrase").says, /is not the one of the stack/);
    });

    it("says which settings are wrong", async () => {
      const all = await withSettings(world, "prod", { "copy.via": "pigeon" }, () => findings(1));
      assert.match(finding(all, "prod", "settings").says, /\[choiros:copy\.via\]/);
    });
  });

  describe("02 promote", () => {
    it("stops at the question where nobody can answer it: grind runs the release, prod as before", async () => {
      const before = await pointers(world.prod);
      const { code, output } = await promote([]);
      assert.equal(code, 5, output);
      await assertRuns(world.grind, await world.toplevel("a", world.grind));
      assert.deepEqual(await pointers(world.prod), before);
      assert.match(
        output,
        /ok choiros-grind runs [0-9a-f]{12} .*, healthy \(committed .* probes passed\)/,
      );
      assert.match(output, /nixos:index:SystemProfile/);
      assert.match(output, /no terminal to answer it.*promote --stack prod --skip-grind --yes/);
    });

    it("goes on from there with --yes, and says as one document what it has done", async () => {
      const said = await document<{
        outcome: string;
        release: { rev: string };
        sight: { health: string; currentSystem: string; release: { rev: string } };
      }>(0, ["promote", "--skip-grind", "--yes"]);
      await assertRuns(world.prod, a);
      assert.equal(said.outcome, "promoted");
      assert.equal(said.sight.health, "healthy");
      assert.equal(said.sight.currentSystem, a);
      assert.equal(said.sight.release.rev, said.release.rev);
    });

    it("run again has nothing to do", async () => {
      const { outcome } = await document<{ outcome: string }>(0, ["promote"]);
      assert.equal(outcome, "nothing to do");
    });

    it("in a terminal shows Pulumi's own display, and does nothing on a no", async () => {
      await world.push("b");
      const { code, output } = await promote(["--stack", "prod"], {
        answers: [[/\[y\/N\]/, "n\r"]],
        env: { TERM: "xterm" },
      });
      assert.equal(code, 5, output);
      assert.match(output, /hypervisor: 1\.4\.0 -> 1\.5\.0/);
      assert.ok(output.includes("\x1b["), "it is in colour");
      assert.match(output, /Nothing was changed: the answer was not yes/);
      await assertRuns(world.prod, a);
    });

    it("and does it on a yes", async () => {
      const { code, output } = await promote(["--stack", "prod"], {
        answers: [[/\[y\/N\]/, "y\r"]],
        env: { TERM: "xterm", NO_COLOR: "1" },
      });
      assert.equal(code, 0, output);
      await assertRuns(world.prod, b);
      assert.match(output, /ok choiros-prod runs [0-9a-f]{12} hypervisor 1\.5\.0.*healthy/);
    });

    it("ends with 1 when prod does not take the release, and says what it runs", async () => {
      await world.push("c-prod");
      const { error, outcome, sight } = await document<{
        error: { message: string };
        outcome: string;
        sight: { currentSystem: string; last: { outcome: string } };
      }>(1, ["--yes"]);
      assert.match(
        error.message,
        /promotion to prod failed.*choiros-prod runs [0-9a-f]{12} hypervisor 1\.5\.0.*\(healthy\)/,
      );
      assert.equal(outcome, "failed");
      assert.equal(sight.last.outcome, "rolled-back");
      await assertRuns(world.prod, b);
    });

    it("does not come to prod when grind does not take it", async () => {
      await world.push("b");
      await world.up("grind");
      await world.push("c-503");
      const { error } = await document<{ error: { message: string } }>(1, ["--yes"]);
      assert.match(error.message, /promotion to grind failed.*choiros-grind runs/);
      await assertRuns(world.prod, b);
      await world.push("b");
    });

    it("on Ctrl-C waits until the host is back, says what it runs, and ends with 130", async () => {
      await world.push("a");
      await world.up("grind");
      await world.prod.must(["touch", GATE]);
      const interrupt = new AbortController();
      const running = promote(["--skip-grind", "--yes"], { interrupt: interrupt.signal });
      await reachStep(world.prod, "health");
      interrupt.abort();
      await reachStep(world.prod, "rollback-health");
      await world.prod.must(["rm", GATE]);
      const { code, output } = await running;
      assert.equal(code, 130, output);
      assert.match(output, /Asking choiros-prod to stop/);
      assert.match(output, /Stopped\. choiros-prod runs [0-9a-f]{12} hypervisor 1\.5\.0/);
      await assertRuns(world.prod, b);
    });
  });

  describe("02b Ctrl-C in a terminal", () => {
    before("grind runs what prod does not", async () => {
      await world.push("a");
      await world.up("grind");
    });

    it("at the question: nothing is done", async () => {
      const { code, output } = await promote(["--skip-grind"], { answers: [[/\[y\/N\]/, "\x03"]] });
      assert.equal(code, 130, output);
      assert.match(output, /Nothing was changed: no answer/);
      await assertRuns(world.prod, b);
    });

    it("in Pulumi's own display: the host goes back, and then it is said what it runs", async () => {
      await world.prod.must(["touch", GATE]);
      const interrupt = new AbortController();
      const terminal = { answers: [], env: { TERM: "xterm" }, interrupt: interrupt.signal };
      const running = promote(["--skip-grind", "--yes"], terminal);
      await reachStep(world.prod, "health");
      interrupt.abort();
      await reachStep(world.prod, "rollback-health");
      await world.prod.must(["rm", GATE]);
      const { code, output } = await running;
      assert.equal(code, 130, output);
      assert.match(
        output.replace(/\s+/g, " "),
        /Stopped\. choiros-prod runs [0-9a-f]{12} hypervisor 1\.5\.0/,
      );
      await assertRuns(world.prod, b);
    });
  });

  describe("03 what has to be right before", () => {
    const wrongWay = { "host.connection": { kind: "ssh", host: "choiros-prod", user: "nobody" } };

    it("nothing is built when prod takes no key of ours", async () => {
      const before = await pointers(world.grind);
      const ended = await withSettings(world, "prod", wrongWay, () => promote(["--yes"]));
      assert.equal(ended.code, 4, ended.output);
      assert.match(ended.output, /Nothing was done: prod, connection: .*refused every key/);
      assert.match(ended.output, /Make this work first: ssh nobody@choiros-prod true/);
      assert.deepEqual(await pointers(world.grind), before);
    });

    it("nothing is built from a dirty tree", async () => {
      await world.grind.must(["sh", "-c", `echo note >${REPOSITORY}/notes.txt`]);
      const ended = await promote(["--yes"]);
      await world.grind.must(["rm", `${REPOSITORY}/notes.txt`]);
      assert.equal(ended.code, 1, ended.output);
      assert.match(ended.output, /fail +repository: .* is dirty: 1 change is not committed/);
      assert.match(ended.output, /Nothing was done: grind, repository: /);
    });

    it("hosts that have diverged are told before the question", async () => {
      // a is what grind runs; prod runs b, which is ahead of it.
      const ended = await promote(["--skip-grind"]);
      assert.equal(ended.code, 5, ended.output);
      assert.match(
        ended.output,
        /warn +history: [0-9a-f]{12} is older than what the host runs: \d+ commits? of [0-9a-f]{12} would go/,
      );
    });

    it("wrong settings end with 2, before anything is asked", async () => {
      const ended = await withSettings(world, "prod", { "copy.via": "pigeon" }, () => promote([]));
      assert.equal(ended.code, 2, ended.output);
      assert.match(ended.output, /\[choiros:copy\.via\]/);
    });
  });

  describe("04 status", () => {
    interface Row {
      readonly stack: string;
      readonly health: string;
      readonly notes: string[];
      readonly release: { readonly subject: string } | null;
      readonly last: { readonly by: string } | null;
    }

    async function rows(code: number): Promise<Record<string, Row>> {
      const { stacks } = await document<{ stacks: Row[] }>(code, ["status"]);
      return Object.fromEntries(stacks.map((row) => [row.stack, row]));
    }

    it("all hosts at a glance, without Pulumi's backend", async () => {
      const { code, output } = await promote(["status"], {
        env: { PULUMI_BACKEND_URL: "file:///nowhere", COLUMNS: "80" },
      });
      assert.equal(code, 0, output);
      assert.match(output, /^grind {2}choiros-grind {2}healthy {2}\d+ (s|min) {2,}[0-9a-f]{12} /m);
      assert.match(
        output,
        /^prod {3}choiros-prod {3}healthy {2}\d+ (s|min) {2,}[0-9a-f]{12} hypervisor 1\.5/m,
      );
      for (const line of output.split("\n")) assert.ok(line.length <= 80, line);
    });

    it("a stopped unit is drift, and ends with 3", async () => {
      await world.prod.must(["systemctl", "stop", "container@sandbox-dev.service"]);
      const { prod } = await rows(3);
      await world.prod.must(["systemctl", "start", "container@sandbox-dev.service"]);
      assert.equal(prod?.health, "drift");
      assert.match(prod?.notes.join() ?? "", /container@sandbox-dev\.service is inactive/);
    });

    it("on Ctrl-C ends at once with 130, and leaves no ssh behind", async () => {
      await world.prod.cutNetwork();
      const interrupt = new AbortController();
      const running = promote(["status"], { interrupt: interrupt.signal });
      await eventually("ssh waits for prod", async () => (await sshTo(world)) !== "");
      interrupt.abort();
      const { code, output } = await running.finally(() => world.prod.restoreNetwork());
      assert.equal(code, 130, output);
      await eventually("no ssh is left", async () => (await sshTo(world)) === "", 5);
    });

    it("a host that is down says so, does not hold up the others, and ends with 4", async () => {
      await world.prod.cutNetwork();
      const began = performance.now();
      const { grind, prod } = await rows(4).finally(() => world.prod.restoreNetwork());
      assert.ok(performance.now() - began < 20_000);
      assert.equal(grind?.health, "healthy");
      assert.ok(grind?.last?.by);
      assert.equal(prod?.health, "unreachable");
      assert.match(prod?.notes.join() ?? "", /nothing answers there|no answer/);
    });
  });
});

/** The ssh of ours that are on their way to prod. */
async function sshTo({ lab, prod }: World): Promise<string> {
  const pattern = `^ssh -F ${lab.dir}/ssh_config .* -- ${prod.name} `;
  return (await run(["pgrep", "--full", "--list-full", pattern])).stdout.trim();
}
