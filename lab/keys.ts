// Every key of an instance is made for it: operator, hosts, grind to prod, Nix signing key. None is ever reused.
import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Instance, type InstanceRecord, shortName } from "./instance.ts";
import { must } from "./process.ts";

export interface KeyPair {
  /** OpenSSH private key text; files with it have mode 0600. */
  readonly secret: string;
  /** `ssh-ed25519 AAAA... comment` */
  readonly open: string;
}

/** Make those keys of the instance that are not there yet. */
export async function makeKeys(instance: Instance, record: InstanceRecord): Promise<void> {
  mkdirSync(instance.path("keys"), { recursive: true, mode: 0o700 });
  const names = ["operator", "builder", ...record.hosts.map((host) => `host-${host.name}`)];
  await Promise.all(names.map((name) => makeSshKey(instance, name)));
  makeNixKey(instance);
}

export function sshKey(instance: Instance, name: string): KeyPair {
  const file = instance.path("keys", name);
  return { secret: readFileSync(file, "utf8"), open: readFileSync(`${file}.pub`, "utf8") };
}

/** The key that grind signs with and prod trusts. */
export function nixKey(instance: Instance): KeyPair {
  const file = instance.path("keys", "lab-1");
  return {
    secret: readFileSync(`${file}.secret`, "utf8"),
    open: readFileSync(`${file}.public`, "utf8"),
  };
}

/** Pinned host keys, under the aliases and the addresses. */
export function knownHosts(instance: Instance, record: InstanceRecord): string {
  const lines = record.hosts.map((host) => {
    const [type = "", key = ""] = sshKey(instance, `host-${host.name}`).open.split(" ");
    return `${host.name},${shortName(host.name)},${host.address} ${type} ${key}\n`;
  });
  return lines.join("");
}

/** An ssh_config with an alias per host; every path in it is absolute. */
export function sshConfig(record: InstanceRecord, identity: string, known: string): string {
  const hosts = record.hosts.map(
    (host) => `Host ${host.name} ${shortName(host.name)}
  HostName ${host.address}
  HostKeyAlias ${host.name}
`,
  );
  return `${hosts.join("")}Host *
  User root
  IdentityFile ${identity}
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile ${known}
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  UpdateHostKeys no
  ConnectTimeout 10
`;
}

/** The operator's side: id_ed25519, known_hosts and ssh_config in the instance's directory. */
export function writeOperatorFiles(instance: Instance, record: InstanceRecord): void {
  const operator = sshKey(instance, "operator");
  const identity = instance.path("id_ed25519");
  writeFileSync(identity, operator.secret, { mode: 0o600 });
  writeFileSync(`${identity}.pub`, operator.open);
  writeFileSync(instance.path("known_hosts"), knownHosts(instance, record));
  writeFileSync(
    instance.path("ssh_config"),
    sshConfig(record, identity, instance.path("known_hosts")),
  );
  mkdirSync(join(instance.dir, "pulumi"), { recursive: true });
}

async function makeSshKey(instance: Instance, name: string): Promise<void> {
  const file = instance.path("keys", name);
  if (existsSync(`${file}.pub`)) return;
  const comment = `${name}@${instance.name}`;
  // "y": a private key without its public one is what an interrupted run left.
  await must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", file], {
    input: "y\n",
  });
}

/** In the form of `nix-store --generate-binary-cache-key lab-1`. */
function makeNixKey(instance: Instance): void {
  const file = instance.path("keys", "lab-1");
  if (existsSync(`${file}.secret`)) return;
  const jwk = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const open = Buffer.from(jwk.x ?? "", "base64url");
  const both = Buffer.concat([Buffer.from(jwk.d ?? "", "base64url"), open]);
  writeFileSync(`${file}.public`, `lab-1:${open.toString("base64")}\n`);
  writeFileSync(`${file}.secret`, `lab-1:${both.toString("base64")}\n`, { mode: 0o600 });
}
