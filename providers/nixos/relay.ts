import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { type Connection, describeConnection, type Way } from "../../contract/connection.ts";
import type { ClosureInputs } from "../../contract/resources.ts";
import { Failure } from "../errors.ts";
import type { Missing } from "./copy.ts";
import type { Reporter } from "./engine.ts";

/** Copies through this machine, for hosts that cannot reach each other. Nothing lands in its store. */
export async function relay(
  builder: Connection,
  wanted: ClosureInputs,
  missing: Missing,
  report: Reporter,
): Promise<void> {
  const [from, to] = [storeWay(builder), storeWay(wanted.connection)];
  const directory = mkdtempSync("/tmp/nixos-promote-relay-");
  try {
    const config = `${directory}/ssh_config`;
    writeFileSync(config, relaySshConfig([from, to], directory), { mode: 0o600 });
    await nixCopy(config, [storeUri(from), storeUri(to)], wanted, missing, report);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function nixCopy(
  config: string,
  [from, to]: readonly [string, string],
  wanted: ClosureInputs,
  missing: Missing,
  report: Reporter,
): Promise<void> {
  const argv = [
    ...["--extra-experimental-features", "nix-command", "copy", "-v", "--log-format", "raw"],
    ...["--from", from, "--to", to, "--", wanted.path],
  ];
  const child = spawn("nix", argv, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, NIX_SSHOPTS: `-F ${config}` },
  });
  const said: string[] = [];
  let copied = 0;
  createInterface({ input: child.stderr }).on("line", (line) => {
    if (line.startsWith("copying path "))
      report.progress(`copying ${++copied}/${missing.paths.length} paths`);
    else said.push(line);
    if (said.length > 50) said.shift();
  });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill("SIGTERM"), wanted.timeoutSeconds * 1000);
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(
        new Failure("refused", `[copy.via] relay needs nix on this machine: ${error.message}`),
      );
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      if (code === 0) return resolve();
      reject(copyFailure(wanted, said.join("\n")));
    });
  });
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
