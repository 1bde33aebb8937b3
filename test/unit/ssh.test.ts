import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { connection, type SshConnection } from "../../contract/connection.ts";
import { Failure, type FailureKind } from "../../providers/errors.ts";
import { pack } from "../../providers/executors/aws-ssm-request.ts";
import { localExecutor } from "../../providers/executors/local.ts";
import type { Ended } from "../../providers/executors/process.ts";
import { failureOf, sshExecutor, sshOptions } from "../../providers/executors/ssh.ts";
import { anyText } from "../support/hostile.ts";

const ended = (more: Partial<Ended>): Ended => ({
  code: 255,
  stdout: "",
  stderr: "",
  timedOut: false,
  ...more,
});

describe("what OpenSSH says", () => {
  const table: [FailureKind, string][] = [
    ["unreachable", "ssh: Could not resolve hostname choiros-prdo: Name or service not known"],
    [
      "unreachable",
      "ssh: Could not resolve hostname prod.example.com: Temporary failure in name resolution",
    ],
    ["unreachable", "ssh: connect to host 192.0.2.12 port 22: Connection refused"],
    ["unreachable", "ssh: connect to host 192.0.2.12 port 22: Connection timed out"],
    ["unreachable", "ssh: connect to host 192.0.2.12 port 22: Operation timed out"],
    ["unreachable", "ssh: connect to host 192.0.2.12 port 22: No route to host"],
    ["unreachable", "ssh: connect to host 2001:db8::12 port 22: Network is unreachable"],
    ["unreachable", "kex_exchange_identification: Connection closed by remote host"],
    [
      "unreachable",
      "kex_exchange_identification: read: Connection reset by peer\nConnection reset by 192.0.2.12 port 22",
    ],
    [
      "unreachable",
      "Connection timed out during banner exchange\nConnection to 192.0.2.12 port 22 timed out",
    ],
    ["auth", "root@192.0.2.12: Permission denied (publickey)."],
    ["auth", "root@192.0.2.12: Permission denied (publickey,password,keyboard-interactive)."],
    [
      "auth",
      "Received disconnect from 192.0.2.12 port 22:2: Too many authentication failures\nDisconnected from 192.0.2.12 port 22",
    ],
    [
      "auth",
      "sign_and_send_pubkey: no mutual signature supported\nroot@192.0.2.12: Permission denied (publickey).",
    ],
    [
      "auth",
      'Load key "/home/me/.ssh/id": Permission denied\nroot@192.0.2.12: Permission denied (publickey).',
    ],
    [
      "host-key",
      "No ED25519 host key is known for choiros-prod and you have requested strict checking.\nHost key verification failed.",
    ],
    [
      "host-key",
      "@@@@@@@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@@@@@@@@\nHost key for 192.0.2.12 has changed and you have requested strict checking.\nHost key verification failed.",
    ],
    ["lost", "client_loop: send disconnect: Broken pipe"],
    ["lost", "client_loop: send disconnect: Connection reset by peer"],
    ["lost", "Read from remote host 192.0.2.12: Connection reset by peer"],
    ["lost", "Read from remote host 192.0.2.12: Connection timed out"],
    ["lost", "Read from remote host 192.0.2.12: Operation timed out"],
    ["lost", "Timeout, server 192.0.2.12 not responding."],
    ["lost", "Connection to 192.0.2.12 closed by remote host."],
    ["lost", "mux_client_request_session: read from master failed: Broken pipe"],
    ["lost", ""],
  ];
  for (const [kind, said] of table) {
    it(`${JSON.stringify(said.split("\n").at(-1))} is ${kind}`, () => {
      assert.equal(failureOf("choiros-prod", ended({ stderr: `${said}\r\n` }), 30).kind, kind);
    });
  }

  it("is passed on, after a sentence of what to do", () => {
    const failure = failureOf(
      "root@prod",
      ended({ stderr: "root@192.0.2.12: Permission denied (publickey).\n" }),
      30,
    );
    assert.match(
      failure.message,
      /^root@prod: it refused every key\. Check .*\(ssh: root@192\.0\.2\.12: Permission denied/,
    );
  });

  it("about a changed host key comes with the promise that nothing was sent", () => {
    const failure = failureOf("prod", ended({ stderr: "Host key verification failed." }), 30);
    assert.match(failure.message, /not the pinned one, so nothing was sent/);
  });

  it("does not count when the script itself failed, whatever the script wrote", () => {
    const failure = failureOf(
      "prod",
      ended({ code: 1, stderr: "git: Permission denied (publickey)." }),
      30,
    );
    assert.equal(failure.kind, "script");
    assert.match(failure.message, /failed on prod with exit 1: git: Permission denied/);
  });

  it("does not count when time ran out: the outcome is unknown", () => {
    const failure = failureOf("prod", ended({ timedOut: true, stderr: "Connection refused" }), 7);
    assert.equal(failure.kind, "timeout");
    assert.match(failure.message, /within 7 s\. What was asked may still run there/);
  });

  it("is cut, so that a host cannot flood the terminal", () => {
    const failure = failureOf("prod", ended({ code: 1, stderr: "x".repeat(100_000) }), 30);
    assert.ok(failure.message.length < 2200);
  });
});

describe("options of ssh", () => {
  const config = process.env["NIXOS_PROMOTE_SSH_CONFIG"];
  beforeEach(() => {
    delete process.env["NIXOS_PROMOTE_SSH_CONFIG"];
  });
  afterEach(() => {
    if (config === undefined) delete process.env["NIXOS_PROMOTE_SSH_CONFIG"];
    else process.env["NIXOS_PROMOTE_SSH_CONFIG"] = config;
  });
  const optionsOf = (more: Partial<SshConnection>) =>
    sshOptions({ kind: "ssh", host: "prod", ...more });

  it("ask nothing, forward nothing, and check the host key strictly", () => {
    const options = optionsOf({});
    for (const wanted of [
      "BatchMode=yes",
      "StrictHostKeyChecking=yes",
      "ClearAllForwardings=yes",
      "PermitLocalCommand=no",
    ])
      assert.ok(options.includes(wanted), wanted);
    for (const wanted of ["-T", "-x", "-a"]) assert.ok(options.includes(wanted), wanted);
  });

  it("take an unknown key only by choice, and a changed one never", () => {
    assert.ok(optionsOf({ acceptNewHostKey: true }).includes("StrictHostKeyChecking=accept-new"));
    assert.ok(optionsOf({ acceptNewHostKey: false }).includes("StrictHostKeyChecking=yes"));
  });

  it("pin the given host key in a file of our own, whatever the user's files know", () => {
    const options = optionsOf({ hostKey: "ssh-ed25519 AAAA" });
    assert.ok(options.includes("GlobalKnownHostsFile=/dev/null"));
    assert.ok(options.includes("HostKeyAlias=nixos-promote-pinned"));
    const file = options.find((word) => word.startsWith("UserKnownHostsFile="))?.split("=")[1];
    assert.equal(readFileSync(file ?? "", "utf8"), "nixos-promote-pinned ssh-ed25519 AAAA\n");
    const other = optionsOf({ hostKey: "ssh-ed25519 BBBB" });
    assert.ok(!other.includes(`UserKnownHostsFile=${file}`), "two pins in one file");
  });

  it("name the key file, and offer no other", () => {
    const options = optionsOf({ identityFile: "/home/me/my keys/id", user: "deploy", port: 2222 });
    assert.deepEqual(options.slice(options.indexOf("-l")), [
      ...["-l", "deploy", "-p", "2222", "-i", "/home/me/my keys/id"],
      ...["-o", "IdentitiesOnly=yes"],
    ]);
  });

  it("begin with the ssh configuration of the environment, if there is one", () => {
    process.env["NIXOS_PROMOTE_SSH_CONFIG"] = "/tmp/ssh config";
    assert.deepEqual(optionsOf({}).slice(0, 2), ["-F", "/tmp/ssh config"]);
  });

  it("never hold user text as anything but the value of its own word, for any connection that we take", () => {
    const given = fc.record(
      {
        user: anyText,
        identityFile: anyText.map((text) => `/${text}`),
        hostKey: anyText,
        acceptNewHostKey: fc.boolean(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(given, (fields) => {
        const parsed = connection.safeParse({ kind: "ssh", host: "prod", ...fields });
        if (!parsed.success || parsed.data.kind !== "ssh") return;
        const options = sshOptions(parsed.data);
        const texts = [parsed.data.user, parsed.data.identityFile].filter(
          (text) => text !== undefined,
        );
        const flags = options.filter((word) => !texts.includes(word));
        for (const word of flags) assert.match(word, /^(-[TxaolpFi]|[A-Za-z]+=[^\n]+)$/);
        for (const text of texts) assert.match(options[options.indexOf(text) - 1] ?? "", /^-[li]$/);
        assert.ok(!options.some((word) => /StrictHostKeyChecking=(no|off)/i.test(word)));
        assert.ok(
          !options.some(
            (word) => /ProxyCommand|LocalCommand=yes/i.test(word) && !texts.includes(word),
          ),
        );
      }),
    );
  });
});

describe("the ssh executor", () => {
  const path = process.env["PATH"];
  let directory = "";
  const words = () =>
    readFileSync(`${directory}/log`, "utf8")
      .split("\0\n")
      .slice(0, -1)
      .map((line) => line.split("\0"));

  // In the place of ssh: writes down its words, then does what the host's login shell would do.
  const SSH = `#!/bin/sh
directory=$(dirname "$0")
printf '%s\\0' "$@" >>"$directory/log"
echo >>"$directory/log"
for last; do :; done
/bin/sh -c "$last"
code=$?
echo "$@" >>"$directory/ended"
exit $code
`;

  const endedCalls = () =>
    existsSync(`${directory}/ended`) ? readFileSync(`${directory}/ended`, "utf8") : "";
  const untilEnded = async (which: RegExp) => {
    for (let tries = 0; tries < 50 && !which.test(endedCalls()); tries++) await sleep(50);
    assert.match(endedCalls(), which);
  };

  beforeEach(() => {
    directory = mkdtempSync(`${tmpdir()}/nixos-promote-test-`);
    writeFileSync(`${directory}/ssh`, SSH);
    chmodSync(`${directory}/ssh`, 0o755);
    process.env["PATH"] = `${directory}:${path}`;
  });
  afterEach(() => {
    process.env["PATH"] = path;
    rmSync(directory, { recursive: true });
  });

  const fresh = { timeoutSeconds: 10, fresh: true };

  it("runs the script's bytes, gives it the rest of stdin, and sends nothing of either as an argument", async () => {
    const executor = sshExecutor({ kind: "ssh", host: "prod" });
    const script = 'read -r first; printf "%s|%s" "$first" "größe $HOME"';
    assert.equal(
      await executor.run(script, "hello\nworld\n", fresh),
      `hello|größe ${process.env["HOME"]}`,
    );
    assert.ok(
      !words()
        .flat()
        .some((word) => word.includes("hello") || word.includes("read -r")),
    );
    executor.close();
  });

  it("ends its options before the host, and its command is the same for every connection", async () => {
    const commands = new Set<string>();
    for (const identityFile of [
      "/tmp/a b",
      "/tmp/$(touch owned)`id`'\"",
      "/tmp/-oProxyCommand=id",
    ]) {
      const executor = sshExecutor({ kind: "ssh", host: "prod", identityFile });
      await executor.run("echo yes", "", fresh);
      executor.close();
      const argv = words().at(-1) ?? [];
      assert.deepEqual(argv.slice(-3, -1), ["--", "prod"]);
      assert.equal(argv[argv.indexOf("-i") + 1], identityFile);
      commands.add(argv.at(-1) ?? "");
    }
    assert.equal(commands.size, 1);
    assert.equal(existsSync("owned"), false);
  });

  const common = { timeoutSeconds: 10, fresh: false };
  const socketOf = (argv: readonly string[] = []) => argv[argv.indexOf("-S") + 1];

  it("begins with the first call a connection that the others share, and that ends when the executor is closed", async () => {
    const executor = sshExecutor({ kind: "ssh", host: "prod" });
    const script = 'read -r line; echo "$line $1"; echo "to people" >&2';
    for (let call = 0; call < 3; call++)
      assert.equal(await executor.run(script, `line ${call}\nrest`, common), `line ${call} \n`);
    const [master = [], ...calls] = words();
    assert.ok(master.includes("-M"));
    assert.equal(calls.length, 2);
    for (const call of calls) assert.equal(socketOf(call), socketOf(master));
    assert.doesNotMatch(endedCalls(), / -M /);
    executor.close();
    await untilEnded(/ -M /);
  });

  it("brings the same script and the same input as every other way, whichever connection it takes", async () => {
    const script = 'printf %s "$BASH_EXECUTION_STRING" | sha256sum; sha256sum\n# größe\n';
    const input = `id\tactivate\n${"x".repeat(200_000)}\n`;
    const hash = (text: string) => createHash("sha256").update(text).digest("hex");
    const wanted = `${hash(script.trimEnd())}  -\n${hash(input)}  -\n`;
    const executor = sshExecutor({ kind: "ssh", host: "prod" });
    for (const options of [common, common, fresh])
      assert.equal(await executor.run(script, input, options), wanted);
    executor.close();
    assert.equal(await localExecutor().run(script, input, fresh), wanted);
    assert.equal(gunzipSync(Buffer.from(pack(script, input), "base64")).toString(), script + input);
  });

  it("lets those that come meanwhile wait until it is there, and no longer", async () => {
    const executor = sshExecutor({ kind: "ssh", host: "prod" });
    const mark = `${directory}/second`;
    const first = executor.run(`until [ -e '${mark}' ]; do sleep 0.05; done; echo 1`, "", common);
    const second = executor.run(`: >'${mark}'; echo 2`, "", common);
    assert.deepEqual(await Promise.all([first, second]), ["1\n", "2\n"]);
    executor.close();
    assert.equal(words().filter((argv) => argv.includes("-M")).length, 1);
  });

  it("gives the first call's answer and end as they are, however large and whatever they hold", async () => {
    const random = '"$(head -c 3000000 /dev/zero | tr "\\0" x)"';
    const executor = sshExecutor({ kind: "ssh", host: "prod" });
    const said = await executor.run(`printf %s ${random}`, "", common);
    assert.equal(said, "x".repeat(3_000_000));
    executor.close();
    for (const [script, kind, message] of [
      ["echo broken >&2; echo connected; exit 3", "script", /exit 3: broken$/],
      ["exit 255", "lost", /./],
    ] as const) {
      const failing = sshExecutor({ kind: "ssh", host: "prod" });
      await assert.rejects(
        failing.run(script, "", common),
        (error) =>
          error instanceof Failure && error.kind === kind && message.test(error.message.trim()),
      );
      assert.equal(await failing.run("echo well", "", common), "well\n");
      failing.close();
    }
  });

  it("begins another one when it has ended, also by its time", async () => {
    const executor = sshExecutor({ kind: "ssh", host: "prod" });
    const late = executor.run("sleep 60", "", { timeoutSeconds: 0.5, fresh: false });
    await assert.rejects(late, (error) => error instanceof Failure && error.kind === "timeout");
    assert.equal(await executor.run("echo yes", "", common), "yes\n");
    executor.close();
    const masters = words().filter((argv) => argv.includes("-M"));
    assert.equal(new Set(masters.map(socketOf)).size, 2);
  });

  it("makes a connection of its own when it is asked for a fresh one", async () => {
    const executor = sshExecutor({ kind: "ssh", host: "prod" });
    await executor.run("echo yes", "", fresh);
    executor.close();
    const argv = words()[0] ?? [];
    assert.equal(words().length, 1);
    assert.equal(argv[argv.indexOf("-S") + 1], "none");
  });

  it("tells a failing script from a connection that ended", async () => {
    const executor = sshExecutor({ kind: "ssh", host: "prod" });
    const kindOf = (script: string) =>
      executor.run(script, "", fresh).then(
        () => "none",
        (error) => (error instanceof Failure ? error.kind : String(error)),
      );
    assert.equal(await kindOf("echo broken >&2; exit 3"), "script");
    assert.equal(await kindOf("exit 255"), "lost");
    executor.close();
  });
});
