// Switches that are killed, lose their reader, or meet a unit file that nobody can read.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { until } from "../../lab/process.ts";
import { SwitchHost } from "./switch-host.ts";

const startList = "/run/nixos/start-list";

describe("switch-to-configuration: interrupted", function () {
  this.timeout(120_000);
  let on: SwitchHost;
  let systems: Record<"one" | "two" | "slowActivate" | "slowStart" | "slowStop", string>;
  let broken: string;

  before(async () => {
    on = await SwitchHost.open();
    systems = await on.build({
      one: `{ systemd.services.app = service "one"; }`,
      two: `{ systemd.services.app = service "two"; }`,
      slowActivate: `{
        systemd.services.app = service "two";
        system.activationScripts.slow = "echo slow >> /var/lib/switch-test/log; sleep 1.5";
      }`,
      slowStart: `{
        systemd.services.app = service "two";
        systemd.services.slow = {
          wantedBy = [ "multi-user.target" ];
          serviceConfig = {
            Type = "oneshot";
            RemainAfterExit = true;
            ExecStart = "/bin/sh -c 'echo slow >> /var/lib/switch-test/log; exec sleep 3'";
          };
        };
      }`,
      slowStop: `{
        systemd.services.app = with_ "one" { serviceConfig.ExecStop = "/usr/bin/sleep 0.7"; };
      }`,
    });
    broken = (
      await on.build({
        broken: `{
          systemd.services.app = service "one";
          systemd.units."broken.service" = {
            wantedBy = [ "multi-user.target" ];
            text = "[Service]\\nExecStart=/usr/bin/sleep infinity\\nthis is no setting\\n";
          };
        }`,
      })
    ).broken;
  });
  beforeEach(async () => {
    await on.must(systems.one, "switch");
    await on.clearLog();
  });
  after(() => on?.close());

  /** Starts a switch in the background and waits until `slow` shows up in the log. */
  async function startAndWait(toplevel: string): Promise<string> {
    const script = `setsid "$1/bin/switch-to-configuration" test > /run/out 2>&1 < /dev/null &
      echo $!; disown`;
    const pid = (await on.shell(script, toplevel)).stdout.trim();
    const seen = await until(async () => ((await on.log()).includes("slow") ? true : undefined), {
      timeout: 5_000,
    });
    assert.equal(seen, true, "the slow step was reached");
    return pid;
  }

  async function kill(signal: string, pid: string): Promise<void> {
    await on.host.must(["kill", signal, pid]);
    const gone = async () => ((await on.exists(`/proc/${pid}/exe`)) ? undefined : true);
    assert.equal(await until(gone, { timeout: 2_000 }), true, "it died");
  }

  const list = async () =>
    (await on.host.exec(["cat", startList])).stdout.split("\n").filter(Boolean).sort();

  for (const signal of ["-KILL", "-TERM"]) {
    it(`rule 9: ${signal} during activate: the unit is down, the list names it, activate goes on`, async () => {
      await kill(signal, await startAndWait(systems.slowActivate));
      assert.equal(await on.active("app"), "inactive");
      assert.ok((await list()).includes("app.service"));
      assert.equal(await on.currentSystem(), systems.one);
      const moved = async () =>
        (await on.currentSystem()) === systems.slowActivate ? true : undefined;
      assert.equal(await until(moved, { timeout: 5_000 }), true, "the orphan finished");

      const ran = await on.run(systems.one, "test");
      assert.equal(ran.code, 0, "an old toplevel honours the list too");
      assert.match(ran.stderr, /^starting the following units: app\.service$/m);
      assert.equal((await on.log()).at(-1), "start one");
      assert.deepEqual(await list(), []);
    });
  }

  it("rule 9: -KILL in the start phase: new system, list kept; the next run joins the job", async () => {
    await kill("-KILL", await startAndWait(systems.slowStart));
    assert.equal(await on.currentSystem(), systems.slowStart);
    const kept = await list();
    assert.ok(kept.includes("app.service") && kept.includes("multi-user.target"));
    const started = Date.now();
    assert.equal((await on.run(systems.slowStart, "test")).code, 0);
    assert.ok(Date.now() - started > 1000, "it waited for the job that was running");
    assert.deepEqual(await list(), []);
  });

  it("rule 2: its exit code tells the signal, no handler cleans up", async () => {
    const script = `"$1/bin/switch-to-configuration" test > /run/out 2>&1 & pid=$!
      until grep -q slow /var/lib/switch-test/log; do sleep 0.05; done
      kill -"$2" $pid; wait $pid`;
    for (const [signal, code] of [
      ["TERM", 143],
      ["KILL", 137],
    ] as const) {
      await on.clearLog();
      const ran = await on.shell(script, systems.slowStart, signal);
      assert.equal(ran.code, code);
      await on.must(systems.one, "test");
    }
  });

  it("rule 11: 101 when the reader is gone before the first message: nothing stopped", async () => {
    const script = `{ sleep 0.5; exec "$1/bin/switch-to-configuration" test 2>&1 > /dev/null; } | true
      echo \${PIPESTATUS[0]}`;
    assert.equal((await on.shell(script, systems.two)).stdout.trim(), "101");
    assert.equal(await on.active("app"), "active");
    assert.deepEqual(await on.log(), []);
    assert.ok((await list()).includes("app.service"));
    await on.must(systems.two, "test");
    assert.equal(await on.active("app"), "active");
  });

  it("rule 11: 101 after the stop: the unit stays down, activate never ran; a rerun mends it", async () => {
    await on.must(systems.slowStop, "test");
    const script = `"$1/bin/switch-to-configuration" test 2>&1 > /dev/null | head -n 1
      echo \${PIPESTATUS[0]}`;
    const ran = await on.shell(script, systems.two);
    assert.equal(ran.stdout, "stopping the following units: app.service\n101\n");
    assert.equal(await on.active("app"), "inactive");
    assert.equal(await on.currentSystem(), systems.slowStop);
    assert.ok((await list()).includes("app.service"));
    const last = await on.host.must(["journalctl", "-t", "nixos", "-o", "cat", "-n", "1"]);
    assert.match(last, /^switching to system configuration /, "no line says how it ended");
    await on.must(systems.two, "test");
    assert.equal(await on.active("app"), "active");
  });

  it("101 when the messages' file is full; 0 when the streams were closed from the start", async () => {
    const full = `exec "$1/bin/switch-to-configuration" test 2> /dev/full`;
    assert.equal((await on.shell(full, systems.two)).code, 101);
    const closed = `exec "$1/bin/switch-to-configuration" test < /dev/null >&- 2>&-`;
    assert.equal((await on.shell(closed, systems.two)).code, 0);
    assert.equal(await on.currentSystem(), systems.two);
  });

  it("output to the journal of a transient unit survives whoever started it", async () => {
    const argv = [
      "systemd-run",
      "-q",
      "--wait",
      "--unit=t",
      `${systems.two}/bin/switch-to-configuration`,
    ];
    assert.equal((await on.host.exec([...argv, "test"])).code, 0);
    const text = await on.host.must(["journalctl", "-u", "t", "-o", "cat"]);
    assert.match(text, /^starting the following units: app\.service$/m);
  });

  it("rule 14: an unreadable unit gets in while it is new, then wedges every later switch", async () => {
    assert.equal((await on.run(broken, "switch")).code, 0, "in, while it is not active");
    assert.equal(await on.active("broken"), "active");
    for (const toplevel of [broken, systems.one, systems.two]) {
      const ran = await on.run(toplevel, "test");
      assert.equal(ran.code, 1);
      const where = "/etc/systemd/system/broken.service";
      assert.ok(ran.stderr.startsWith(`Error: Failed to parse systemd unit file ${where}\n`));
    }
    assert.equal(await on.currentSystem(), broken);

    // The way out that was found: activate by hand, stop the unit, forget the list.
    await on.host.must([`${systems.one}/activate`]);
    await on.host.must(["systemctl", "stop", "broken"]);
    await on.host.must(["systemctl", "daemon-reload"]);
    await on.host.must(["rm", "-f", startList]);
    assert.equal((await on.run(systems.one, "test")).code, 0);
  });

  it("a message that nobody reads is the only thing that breaks: output to a file is fine", async () => {
    const script = `exec "$1/bin/switch-to-configuration" test > /var/lib/switch-test/out 2>&1`;
    assert.equal((await on.shell(script, systems.two)).code, 0);
    const text = await readFile(`${on.host.root}/var/lib/switch-test/out`, "utf8");
    assert.match(text, /^stopping the following units: app\.service\nactivating the configuration/);
  });
});
