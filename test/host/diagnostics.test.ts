// What an operator reads of a failure: texts without a host, then failures on a real one.
import assert from "node:assert/strict";
import type { Verdict } from "../../contract/verdict.ts";
import { flatten } from "../../providers/executors/argument.ts";
import { bash } from "./local-bash.ts";
import { Prod, usualProbes } from "./prod.ts";

describe("the journal in the diagnostics", () => {
  const folded = async (lines: readonly string[]): Promise<string[]> => {
    const main = `fold_repeats >&3 <<'END'\n${lines.join("\n")}\nEND`;
    return (await bash(["lib.sh", "diagnostics.sh"], main)).lines;
  };

  it("counts a line that comes again and again", async () => {
    assert.deepEqual(
      await folded(["T1 prod app[1]: 503", "T2 prod app[1]: 503", "T3 prod app[1]: 503"]),
      ["T1 prod app[1]: 503", "    (the same 2 times more, until T3)"],
    );
  });

  it("shows what differs, in its order", async () => {
    const lines = [
      "T1 prod app[1]: a",
      "T2 prod app[1]: b",
      "T3 prod app[1]: a",
      "T4 prod app[2]: a",
    ];
    assert.deepEqual(await folded(lines), lines);
  });
});

describe("text that is cut", () => {
  it("keeps whole characters, from the beginning and from the end", async () => {
    const text = "aß€😀z";
    const main = `
      for ((i = 1; i <= 11; i++)); do
        first_bytes "\${arg[text]}" "$i" && printf '%s|' "$REPLY" >&3
        last_bytes "\${arg[text]}" "$i" && printf '%s\\n' "$REPLY" >&3
      done`;
    const { lines } = await bash(["json.sh", "lib.sh"], main, flatten({ text }));
    assert.deepEqual(lines, [
      ...["a|z", "a|z", "aß|z", "aß|z", "aß|😀z", "aß€|😀z", "aß€|😀z", "aß€|€😀z"],
      ...["aß€|€😀z", "aß€😀|ß€😀z", "aß€😀z|aß€😀z"],
    ]);
  });
});

describe("diagnostics on a host", function () {
  this.timeout(180_000);
  const prod = Prod.alwaysSettled();

  const whole = (said: Verdict) => prod.host.must(["cat", said.diagnosticsFile ?? ""]);

  it("show the sockets where a failed probe was tried, and no unit's environment", async () => {
    const inside = { kind: "socket", port: 8081, deadlineSeconds: 1 };
    const said = await prod.activate("b", {
      probes: [
        ...usualProbes(),
        { ...inside, name: "live-port", place: ["nixos-container", "run", "sandbox-live", "--"] },
        { ...inside, name: "dev-port", namespace: { unit: "container@sandbox-dev.service" } },
      ],
      diagnostics: { units: [], lines: 20, bytes: 20_000 },
    });
    assert.equal(said.outcome, "rolled-back");
    assert.match(said.reason ?? "", /-port is not healthy: nothing listens on port 8081\.$/);
    const text = await whole(said);
    const place =
      /== Listening sockets where live-port is tried \(nixos-container run sandbox-live --\)\nLISTEN.*:8080 /;
    assert.match(text, place);
    assert.match(
      text,
      /== Listening sockets where dev-port is tried \(nsenter --net=\/proc\/\d+\/ns\/net --\)\nLISTEN.*:8080 /,
    );
    assert.match(
      text,
      /^[^\n]+\n\n== Probes\n(live|dev)-port \(socket\): .*\n(live|dev)-port \(socket\): .*\nhypervisor/,
      "what failed comes first",
    );
    assert.doesNotMatch(text, /INSTANCE_ROLE|FRONTEND_DIST/);
  });

  it("of a confirmation that did not come show the network and sshd", async () => {
    const said = await prod.activate("b", { confirm: true });
    assert.equal(said.failedStep, "await-confirmation");
    assert.match(
      said.diagnostics ?? "",
      /^No confirmation came[\s\S]*== Addresses\n[\s\S]*eth0[\s\S]*== Units/,
    );
  });

  it("of a rollback that failed too show first how it is now, then how it was before", async () => {
    const switcher = await prod.host.must(["cat", `${prod.a}/bin/switch-to-configuration`]);
    const program = switcher.match(/-B (\S+) /)?.[1] ?? "";
    const script = `#!/bin/bash
if [[ $OUT == ${prod.a} && $1 == test ]]; then echo 'Error: no way back' >&2; exit 1; fi
exec /usr/bin/python3 -I -S -B ${program} "$@"
`;
    await prod.host.must(["mkdir", "-p", "/etc/lab"]);
    const put =
      'printf %s "$1" > /etc/lab/switch-to-configuration; chmod +x /etc/lab/switch-to-configuration';
    await prod.host.must(["bash", "-c", put, "-", script]);
    let said: Verdict;
    try {
      said = await prod.activate("c-503");
    } finally {
      await prod.host.must(["rm", "/etc/lab/switch-to-configuration"]);
    }
    assert.equal(said.outcome, "rollback-failed");
    assert.equal(said.healthAfterRollback?.find(({ name }) => name === "hypervisor")?.ok, false);
    const [now = "", then = ""] = (await whole(said)).split("\n==== Before the rollback\n");
    assert.match(
      now,
      /^hypervisor is not healthy: 503\. The rollback to \S+ failed too \(exit 1\); the host runs /,
    );
    assert.match(now, /== Output of switch-to-configuration\nError: no way back/);
    assert.match(then, /^hypervisor is not healthy: 503\.\n\n== Probes\nhypervisor \(http\): 503/);
    assert.match(then, /starting the following units: .*hypervisor\.service/);
  });

  it("come to an end when the journal hangs", async () => {
    await prod.host.must([
      "bash",
      "-c",
      "printf '#!/bin/sh\\nexec sleep 1000\\n' > /run/hang; chmod +x /run/hang",
    ]);
    await prod.host.must(["mount", "--bind", "/run/hang", "/usr/bin/journalctl"]);
    let said: Verdict;
    try {
      said = await prod.activate("c-503");
    } finally {
      await prod.host.must(["umount", "/usr/bin/journalctl"]);
    }
    prod.isRolledBack(said, "health", /503/);
    assert.match(await whole(said), /\(no answer within 10 s\)/);
    const seconds = said.steps.find(({ name }) => name === "diagnose")?.seconds ?? 0;
    assert.ok(seconds >= 10 && seconds < 60, `${seconds} s`);
    await prod.isAsBefore();
  });

  it("are kept in memory when the disk is full", async () => {
    const state = "/var/lib/nixos-promote";
    await prod.host.must(["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", state]);
    try {
      const probes = usualProbes({ soakSeconds: 5, deadlineSeconds: 8 });
      const job = await prod.beginTo("health", "b", { probes, confirm: true });
      assert.notEqual((await prod.host.exec(["cp", "/dev/zero", `${state}/full`])).code, 0);
      const said = await prod.end(job);
      assert.equal(said.outcome, "rolled-back", said.reason ?? "");
      assert.equal(said.diagnosticsFile, `/run/nixos-promote/${job.id}.diagnostics.txt`);
      assert.match(await whole(said), /== Memory/);
    } finally {
      await prod.host.must(["umount", "--lazy", state]);
    }
  });

  it("are not made where nothing was touched", async () => {
    const said = await prod.activate("bad-check");
    assert.equal(said.outcome, "refused");
    assert.equal(said.diagnostics, null);
    assert.equal(said.diagnosticsFile, null);
  });
});
