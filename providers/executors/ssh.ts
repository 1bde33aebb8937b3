import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { describeConnection, type SshConnection } from "../../contract/connection.ts";
import { Failure } from "../errors.ts";
import type { Executor } from "./executor.ts";
import { type Ended, runProcess } from "./process.ts";
import { remoteCommand } from "./remote-command.ts";
import { runtimeDirectory } from "./runtime-directory.ts";
import { type Master, startMaster } from "./ssh-master.ts";

let sockets = 0;

/**
 * The system's OpenSSH, so that aliases, agents, jump hosts and hardware keys work as the user
 * knows them. The first call begins a connection that the others share, and that ends with us or when nobody has called for a while.
 */
export function sshExecutor(connection: SshConnection): Executor {
  const host = describeConnection(connection);
  let master: Master | undefined;
  let socket = "";
  let calls = 0;
  let idle: NodeJS.Timeout | undefined;

  const ssh =
    (control: readonly string[]) =>
    (command: readonly string[]): [string, ...string[]] => [
      "ssh",
      ...sshOptions(connection),
      ...control,
      "--",
      connection.host,
      command.map(quote).join(" "),
    ];

  const close = () => {
    clearTimeout(idle);
    master?.close();
    master = undefined;
  };

  const shared = async (script: string, input: string, seconds: number, endsWithUs: boolean) => {
    const [command, stdin] = [remoteCommand(script), `${script}${input}`];
    if (!master?.isOpen()) {
      socket = `${runtimeDirectory()}/${process.pid}-${++sockets}`;
      master = startMaster(ssh(["-M", "-S", socket]), command, stdin, seconds, endsWithUs);
      return master.first;
    }
    await master.connected;
    const argv = ssh(["-S", socket, "-o", "ControlMaster=no"])(command);
    return runProcess(argv, stdin, seconds, { endsWithUs });
  };

  return {
    ...{ host, kind: "ssh" },
    async run(script, input, { timeoutSeconds, fresh, endsWithUs = false }) {
      const argv = ssh(["-S", "none"])(remoteCommand(script));
      calls++;
      clearTimeout(idle);
      const ended = await (fresh
        ? runProcess(argv, `${script}${input}`, timeoutSeconds, { endsWithUs })
        : shared(script, input, timeoutSeconds, endsWithUs)
      ).finally(() => {
        if (--calls === 0) idle = setTimeout(close, IDLE_MILLISECONDS).unref();
      });
      if (ended.code === 0 && !ended.timedOut) return ended.stdout;
      throw failureOf(host, ended, timeoutSeconds);
    },
    close,
  };
}

/** A fleet of thousands is looked at without as many connections. */
const IDLE_MILLISECONDS = 20_000;

/** Options that do not depend on the call. Also what `nix copy` is given. */
export function sshOptions(connection: SshConnection): string[] {
  const config = process.env.NIXOS_PROMOTE_SSH_CONFIG;
  return [
    ...(config ? ["-F", config] : []),
    ...["-T", "-x", "-a"],
    ...option("BatchMode", "yes"),
    ...option("Compression", "yes"),
    ...option("LogLevel", "ERROR"),
    ...option("ConnectTimeout", String(connection.connectTimeoutSeconds ?? 10)),
    ...option("ServerAliveInterval", "15"),
    ...option("ServerAliveCountMax", "4"),
    ...option("ControlPersist", "no"),
    ...option("PermitLocalCommand", "no"),
    ...option("ClearAllForwardings", "yes"),
    ...option("StrictHostKeyChecking", connection.acceptNewHostKey ? "accept-new" : "yes"),
    ...(connection.hostKey ? pinnedKey(connection.hostKey) : []),
    ...(connection.user ? ["-l", connection.user] : []),
    ...(connection.port ? ["-p", String(connection.port)] : []),
    ...(connection.identityFile
      ? ["-i", connection.identityFile, ...option("IdentitiesOnly", "yes")]
      : []),
  ];
}

function pinnedKey(hostKey: string): string[] {
  const hash = createHash("sha256").update(hostKey).digest("hex").slice(0, 16);
  const file = `${runtimeDirectory()}/key-${hash}`;
  writeFileSync(file, `nixos-promote-pinned ${hostKey}\n`);
  return [
    ...option("HostKeyAlias", "nixos-promote-pinned"),
    ...option("UserKnownHostsFile", file),
    ...option("GlobalKnownHostsFile", "/dev/null"),
  ];
}

function option(name: string, value: string): string[] {
  return ["-o", `${name}=${value}`];
}

// ssh joins its arguments with spaces and gives them to the login shell. Only our own constants
// and a byte count come through here.
function quote(word: string): string {
  return /^[A-Za-z0-9_/.:=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** ssh itself ends with 255; anything else is the script's own exit. */
export function failureOf(host: string, ended: Ended, timeoutSeconds: number): Failure {
  const said = ended.stderr.trim().slice(-2000);
  if (ended.timedOut)
    return new Failure(
      "timeout",
      `${host} gave no answer within ${timeoutSeconds} s. What was asked may still run there.`,
    );
  if (ended.code !== 255 && ended.code !== null)
    return new Failure("script", `A script failed on ${host} with exit ${ended.code}: ${said}`);
  for (const [pattern, kind, advice] of SSH_MESSAGES) {
    if (pattern.test(said)) return new Failure(kind, `${host}: ${advice} (ssh: ${lastLine(said)})`);
  }
  return new Failure(
    "lost",
    `The connection to ${host} ended before an answer came. (ssh: ${lastLine(said) || "no message"})`,
  );
}

const SSH_MESSAGES: [RegExp, Failure["kind"], string][] = [
  // A session that was there already: what was asked may have been done.
  [
    /^(Read from remote host|client_loop:|mux_client_|Timeout, server |Connection to \S+ closed by remote host)/m,
    "lost",
    "the connection ended before an answer came.",
  ],
  [
    /Could not resolve hostname/,
    "unreachable",
    "no such host or ssh alias. Check the name, or add it to your ssh configuration.",
  ],
  [
    /HOST IDENTIFICATION HAS CHANGED|Host key verification failed|host key is known/,
    "host-key",
    "its host key is not the pinned one, so nothing was sent. Compare the key over another way before you change the pin.",
  ],
  [
    /Permission denied|Too many authentication failures|no mutual signature/,
    "auth",
    "it refused every key. Check the user, the key file or the agent, and authorized_keys on the host.",
  ],
  [
    /Connection refused|No route to host|Network is unreachable|Connection timed out|Operation timed out/,
    "unreachable",
    "nothing answers there. Check that the host is up and that its ssh port can be reached.",
  ],
  [
    /kex_exchange_identification|Connection closed by|Connection reset/,
    "unreachable",
    "it closed the connection before we were let in.",
  ],
];

function lastLine(text: string): string {
  return text.split("\n").at(-1)?.trim() ?? "";
}
