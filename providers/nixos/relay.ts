import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { type Connection, describeConnection, type Way } from "../../contract/connection.ts";
import type { ClosureInputs } from "../../contract/resources.ts";
import { Failure } from "../errors.ts";
import type { Ahead, Missing } from "./copy.ts";
import type { Reporter } from "./engine.ts";
import { interruption } from "./interruption.ts";
import type { Part } from "./parts.ts";
import { turns } from "./turns.ts";

/** Copies through this machine, for hosts that cannot reach each other. Nothing lands in its store. */
export async function relay(
  builder: Connection,
  wanted: ClosureInputs,
  missing: Missing,
  ahead: Ahead,
  report: Reporter,
): Promise<void> {
  const [from, to] = [storeWay(builder), storeWay(wanted.connection)];
  const directory = mkdtempSync("/tmp/nixos-promote-relay-");
  const ending = new AbortController();
  const stopListening = interruption.listen(() => ending.abort(stopped("it was told to stop")));
  const limit = setTimeout(
    () => ending.abort(stopped(`it was not done after ${wanted.timeoutSeconds} s`)),
    wanted.timeoutSeconds * 1000,
  );
  try {
    const config = `${directory}/ssh_config`;
    writeFileSync(config, relaySshConfig([from, to], directory), { mode: 0o600 });
    let copied = 0;
    const onPath = () => report.progress(`copying ${++copied}/${missing.paths.length} paths`);
    const copy = async (paths: readonly string[], ...options: string[]) => {
      const argv = [...options, "--from", storeUri(from), "--to", storeUri(to), "--", ...paths];
      const ended = await nixCopy(argv, config, ending.signal, onPath);
      if (ending.signal.aborted) throw ending.signal.reason;
      if (ended.code !== 0) throw copyFailure(wanted, ended.said);
    };
    await inOrder(ahead, ({ paths }) => copy(paths, "--no-recursive"), ending);
    await copy([wanted.path]);
  } finally {
    clearTimeout(limit);
    stopListening();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Each part as soon as those before it have been copied; one that fails ends all. */
export async function inOrder(
  { parts, streams }: Ahead,
  copy: (part: Part) => Promise<void>,
  ending: AbortController,
): Promise<void> {
  const turn = turns(streams);
  const copies: Promise<void>[] = [];
  for (const part of parts) {
    const before = Promise.all(part.after.map((index) => copies[index]));
    copies.push(before.then(() => turn(() => copy(part))));
  }
  const ended = await Promise.allSettled(
    copies.map((each) =>
      each.catch((error) => {
        if (!ending.signal.aborted) ending.abort(error);
        throw error;
      }),
    ),
  );
  if (ended.some(({ status }) => status === "rejected")) throw ending.signal.reason;
}

function nixCopy(
  argv: readonly string[],
  config: string,
  signal: AbortSignal,
  onPath: () => void,
): Promise<{ code: number | null; said: string }> {
  const nix = ["--extra-experimental-features", "nix-command", "copy", "-v", "--log-format", "raw"];
  const said: string[] = [];
  return new Promise((resolve, reject) => {
    if (signal.aborted) return resolve({ code: null, said: "" });
    const child = spawn("nix", [...nix, ...argv], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, NIX_SSHOPTS: `-F ${config}` },
      detached: true,
    });
    const end = () => endGroup(child);
    signal.addEventListener("abort", end);
    createInterface({ input: child.stderr }).on("line", (line) => {
      if (line.startsWith("copying path ")) onPath();
      else said.push(line);
      if (said.length > 50) said.shift();
    });
    child.on("error", (error) => {
      signal.removeEventListener("abort", end);
      reject(
        new Failure("refused", `[copy.via] relay needs nix on this machine: ${error.message}`),
      );
    });
    child.on("close", (code) => {
      signal.removeEventListener("abort", end);
      resolve({ code, said: said.join("\n") });
    });
  });
}

/** Nix, which may wait for its ssh for ever, and ssh. */
function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGTERM");
  } catch {
    // It has ended meanwhile.
  }
}

function stopped(why: string): Failure {
  return new Failure(
    "refused",
    `[copy.via] The copy was ended: ${why}. What was copied stays valid; running \`pulumi up\` again goes on from there.`,
    { code: "cancelled" },
  );
}

function copyFailure(wanted: ClosureInputs, said: string): Failure {
  const target = describeConnection(wanted.connection);
  const advice = /lacks a (valid )?signature|lacks a signature by a trusted key/.test(said)
    ? `${target} trusts no signature on it. Sign the release on the builder (signingKeyFile), and put the public key into trusted-public-keys of the host.`
    : "What was copied stays valid; running `pulumi up` again goes on from there.";
  return new Failure(
    "refused",
    `[copy.via] Copying to ${target} failed. ${advice}\n${said.slice(-2000)}`,
  );
}

/** Nix has no store over SSM; without this the store of this machine would be taken for the host's. */
function storeWay(end: Connection): Way {
  const ways = end.kind === "either" ? [end.primary, end.fallback] : [end];
  const found = ways.find(({ kind }) => kind !== "awsSsm");
  if (found !== undefined) return found;
  throw new Failure(
    "refused",
    `[copy.via] relay needs ssh to both ends, and ${describeConnection(end)} is reached over SSM. Nothing was copied. ` +
      "Use direct, with an ssh alias that leads through SSM where there is no other way: see docs/aws-ssm.md.",
  );
}

function storeUri(connection: Way): string {
  return connection.kind === "ssh" ? `ssh-ng://${connection.host}` : "daemon";
}

/** Nix takes one set of ssh options for both ends, so what differs between them goes into a file. */
export function relaySshConfig(ends: readonly Way[], directory: string): string {
  const blocks = ends.flatMap((end) => (end.kind === "ssh" ? [hostBlock(end, directory)] : []));
  const include = process.env.NIXOS_PROMOTE_SSH_CONFIG ?? "~/.ssh/config";
  const common = [
    "BatchMode yes",
    "ConnectTimeout 10",
    "ServerAliveInterval 15",
    "ServerAliveCountMax 4",
  ];
  return [...blocks, "Match all", ...common, `Include ${JSON.stringify(include)}`, ""].join("\n");
}

function hostBlock(end: Extract<Connection, { kind: "ssh" }>, directory: string): string {
  const lines = [
    `Host ${end.host}`,
    `StrictHostKeyChecking ${end.acceptNewHostKey ? "accept-new" : "yes"}`,
  ];
  if (end.user) lines.push(`User ${end.user}`);
  if (end.port) lines.push(`Port ${end.port}`);
  if (end.identityFile)
    lines.push(`IdentityFile ${JSON.stringify(end.identityFile)}`, "IdentitiesOnly yes");
  if (end.hostKey) {
    const file = `${directory}/${end.host.replace(/[^A-Za-z0-9.-]/g, "_")}.key`;
    writeFileSync(file, `nixos-promote-pinned ${end.hostKey}\n`);
    lines.push(
      "HostKeyAlias nixos-promote-pinned",
      `UserKnownHostsFile ${file}`,
      "GlobalKnownHostsFile /dev/null",
    );
  }
  return lines.join("\n  ");
}
