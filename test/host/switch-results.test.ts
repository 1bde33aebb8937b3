// Every result of switch-to-configuration on a real host, caused for real: what we do, say and leave.
import assert from "node:assert/strict";
import type { Verdict } from "../../contract/verdict.ts";
import { eventually } from "./on-host.ts";
import { type More, Prod } from "./prod.ts";

const SWITCH = "/switch-to-configuration/__main__.py";
const WRAPPER = "/etc/lab/switch-to-configuration";

describe("results of a switch on a host", function () {
  this.timeout(120_000);
  const prod = Prod.alwaysSettled();

  /** Starts a transaction, does something to it while its switch runs the slow activation script, and waits for its end. */
  async function disturb(meddle: () => Promise<void>, more: More = {}): Promise<Verdict> {
    const job = await prod.begin(await prod.job("deaf-activate", more));
    await eventually("the activation script runs", async () => (await slowScripts()).length > 0);
    await meddle();
    return prod.end(job);
  }

  /** The processes of the slow activation script. */
  async function slowScripts(): Promise<string[]> {
    const { stdout } = await prod.host.exec([
      "pgrep",
      "-f",
      "^/bin/bash /nix/store/[^ ]*/activate ",
    ]);
    return stdout.split("\n").filter(Boolean);
  }

  /** Replaces the program in every system of the host by a script of a few lines. */
  async function replaceSwitch(script: string): Promise<void> {
    await prod.host.must(["mkdir", "-p", "/etc/lab"]);
    await prod.host.must([
      "bash",
      "-c",
      `printf '%s' "$1" > ${WRAPPER}; chmod +x ${WRAPPER}`,
      "-",
      script,
    ]);
  }
  const restoreSwitch = () => prod.host.must(["rm", "-f", WRAPPER]);

  for (const [signal, exit] of [
    ["KILL", 137],
    ["TERM", 143],
  ] as const) {
    it(`${exit}: SIG${signal} while the activation script runs: it is waited for, and cannot move the system after the rollback`, async () => {
      let seen = "";
      const said = await disturb(async () => {
        await prod.host.must([
          "pkill",
          `-${signal}`,
          "-f",
          "^/usr/bin/python3 .*switch-to-configuration test",
        ]);
        seen = (await slowScripts()).join();
      });
      assert.notEqual(seen, "", "its activation script goes on");
      assert.equal(said.switch?.exit, exit);
      prod.isRolledBack(said, "test", new RegExp(`was killed \\(exit ${exit}\\)`));
      assert.match(
        said.notes.join("\n"),
        /activation script went on for [\d.]+ s and ended by itself/,
      );
      assert.deepEqual(await slowScripts(), []);
      await prod.isAsBefore();
    });
  }

  it("124: out of time: an activation script that does not listen to SIGTERM is ended", async () => {
    const timeouts = { switch: 1, confirm: 2, rollback: 60 };
    const said = await disturb(async () => {}, { timeouts });
    assert.equal(said.switch?.exit, 124);
    prod.isRolledBack(said, "test", /did not end within its time; the last it said: setting up/);
    assert.match(
      said.notes.join("\n"),
      /\(exit 124\), its activation script went on for [\d.]+ s and was ended by us/,
    );
    assert.deepEqual(await slowScripts(), []);
    await prod.isAsBefore();
  });

  it("101: it panics with units stopped: the rollback starts them", async () => {
    // The first run loses its reader after the stop, as over a connection that breaks. The later ones are the program's own.
    const program =
      (await prod.host.must(["cat", `${prod.a}/bin/switch-to-configuration`])).match(
        /-B (\S+) /,
      )?.[1] ?? "";
    await replaceSwitch(`#!/bin/bash
if [[ $1 == test ]] && mkdir /run/first 2>/dev/null; then
  { /usr/bin/python3 -I -S -B ${program} "$@" 2>&1 >/dev/null; echo $? >/run/first/exit; } | { IFS= read -r line; echo "$line"; }
  exit "$(cat /run/first/exit)"
fi
exec /usr/bin/python3 -I -S -B ${program} "$@"
`);
    try {
      const said = await prod.activate("b");
      assert.equal(said.switch?.exit, 101);
      prod.isRolledBack(said, "test", /panicked \(exit 101\)/);
      assert.match(
        said.switch?.output ?? "",
        /stopping the following units: .*hypervisor\.service/,
      );
    } finally {
      await restoreSwitch();
    }
    await prod.isAsBefore();
  });

  it("no reader can go away: its output is a file, whoever follows or does not", async () => {
    let outputs = "";
    const said = await disturb(async () => {
      const pids = await prod.host.must(["pgrep", "-f", SWITCH.slice(0, 24)]);
      const pid = pids.split("\n")[0] ?? "";
      outputs = await prod.host.must(["readlink", `/proc/${pid}/fd/1`, `/proc/${pid}/fd/2`]);
    });
    assert.match(outputs, /^(\/run\/nixos-promote\/activate-[^\n]*\/switch\.1\.log\n){2}$/);
    assert.equal(said.outcome, "committed", said.reason ?? "");
  });

  it("1: a unit file that cannot be read wedges every switch: it is found before the commit, and the way back is opened", async () => {
    const said = await prod.activate("wedge");
    assert.equal(said.switch?.exit, 0, "it goes in without a complaint");
    prod.isRolledBack(
      said,
      "test",
      /has a unit file that cannot be parsed, \S+choiros-mail\.service/,
    );
    assert.match(said.notes.join("\n"), /choiros-mail\.service was stopped to open the way back/);
    await prod.isAsBefore();
    assert.notEqual((await prod.host.exec(["systemctl", "is-active", "choiros-mail"])).code, 0);
    assert.equal(
      (await prod.activate("b")).outcome,
      "committed",
      "nothing stands in the way of the next",
    );
  });

  it("1: a host that is wedged already refuses, and says the command that helps", async () => {
    await prod.host.must([
      `${await prod.releases.onProd("wedge")}/bin/switch-to-configuration`,
      "test",
    ]);
    const said = await prod.activate("b");
    assert.equal(said.outcome, "refused");
    assert.equal(said.switch?.exit, 1);
    const command = said.reason?.match(/run '(systemctl stop [^']+)'/)?.[1];
    assert.equal(command, "systemctl stop choiros-mail.service");
    await prod.host.must(command.split(" "));
    assert.equal((await prod.activate("b")).outcome, "committed");
  });

  describe("4, and the unit that failed is not the release's", () => {
    const FOREIGN = "/run/systemd/system/backup-disk.service";
    before(async () => {
      const text = "[Service]\nType=oneshot\nExecStart=/bin/false\n";
      await prod.host.must([
        "bash",
        "-c",
        `mkdir -p /run/systemd/system; printf '%s' "$1" > ${FOREIGN}; systemctl daemon-reload`,
        "-",
        text,
      ]);
    });
    after(async () => {
      await prod.host.must([
        "bash",
        "-c",
        `rm ${FOREIGN}; systemctl daemon-reload; systemctl reset-failed`,
      ]);
    });
    afterEach(async () => {
      await prod.host.exec(["systemctl", "reset-failed"]);
    });

    it("tolerant: committed, and said with what it keeps from starting", async () => {
      const said = await prod.activate("needs-backup");
      assert.equal(said.switch?.exit, 4);
      assert.equal(said.outcome, "committed", said.reason ?? "");
      const notes = said.notes.join("\n");
      assert.match(
        notes,
        /ended with 4, but no unit that counts has failed: warning: the following units failed: backup-disk\.service/,
      );
      assert.match(notes, /do not count: backup-disk\.service \(not of the release\)/);
      assert.match(
        notes,
        /Not started, because a unit that they require has failed: choiros-mirror\.service/,
      );
    });

    it("strict: rolled back", async () => {
      const said = await prod.activate("needs-backup", { unitFailures: "strict" });
      prod.isRolledBack(
        said,
        "health",
        /Units did not start as they should \(exit 4\): backup-disk\.service/,
      );
    });

    it("a unit that had failed before counts in neither, but is said", async () => {
      await prod.host.exec(["systemctl", "start", "backup-disk"]);
      assert.deepEqual((await prod.look()).failedUnits, ["backup-disk.service"]);
      const said = await prod.activate("needs-backup", { unitFailures: "strict" });
      assert.equal(said.outcome, "committed", said.reason ?? "");
      assert.match(
        said.notes.join("\n"),
        /do not count: backup-disk\.service \(had failed before\)/,
      );
    });
  });

  it("4 for a person's own units only: committed, and said", async () => {
    await replaceSwitchWith4("warning: user activation for root failed");
    try {
      const said = await prod.activate("b");
      assert.equal(said.switch?.exit, 4);
      assert.equal(said.outcome, "committed", said.reason ?? "");
      assert.match(
        said.notes.join("\n"),
        /no unit that counts has failed: warning: user activation for root failed\./,
      );
    } finally {
      await restoreSwitch();
    }
  });

  async function replaceSwitchWith4(line: string): Promise<void> {
    const program =
      (await prod.host.must(["cat", `${prod.a}/bin/switch-to-configuration`])).match(
        /-B (\S+) /,
      )?.[1] ?? "";
    await replaceSwitch(`#!/bin/bash
/usr/bin/python3 -I -S -B ${program} "$@" || exit
if [[ $1 == test ]]; then echo '${line}' >&2; exit 4; fi
`);
  }

  it("a list that a killed switch of somebody else has left is honoured by ours", async () => {
    await prod.host.must(["bash", "-c", "echo elsewhere.service > /run/nixos/start-list"]);
    const said = await prod.activate("b");
    assert.equal(said.outcome, "committed", said.reason ?? "");
    assert.notEqual((await prod.host.exec(["test", "-e", "/run/nixos/start-list"])).code, 0);
  });
});
