// What makes a Debian tree this host of this instance: identity, keys, sshd and Nix settings.
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { type HostRecord, type Instance, type InstanceRecord, shortName } from "./instance.ts";
import { knownHosts, nixKey, sshConfig, sshKey } from "./keys.ts";

export const ROOTFS = join(import.meta.dirname, "rootfs");
export const BUILDER = "choiros-grind";

/** Files of one host and one instance only: a cached system layer must not have them. */
const PERSONAL = [
  "etc/machine-id",
  "etc/hosts",
  "etc/nix/nix.conf",
  "etc/ssh/ssh_host_ed25519_key",
  "etc/ssh/ssh_host_ed25519_key.pub",
  "root/.ssh",
  "var/lib/nixos-promote/keys",
];

export function dress(
  root: string,
  instance: Instance,
  record: InstanceRecord,
  host: HostRecord,
): void {
  const operator = sshKey(instance, "operator");
  const builder = sshKey(instance, "builder");
  const self = sshKey(instance, `host-${host.name}`);
  const signing = nixKey(instance);
  const isBuilder = host.name === BUILDER;
  putAll(root, ROOTFS);
  put(root, "etc/machine-id", `${host.machineId}\n`);
  put(root, "etc/nix/nix.conf", nixConf(signing.open.trim()));
  put(root, "etc/ssh/ssh_host_ed25519_key", self.secret, 0o600);
  put(root, "etc/ssh/ssh_host_ed25519_key.pub", self.open);
  const mayLogIn = operator.open + (isBuilder ? "" : builder.open);
  put(root, "root/.ssh/authorized_keys", mayLogIn, 0o600);
  // A system that was activated has a link here, and says its name itself.
  if (!isLink(join(root, "etc/hostname"))) put(root, "etc/hostname", `${host.name}\n`);
  if (isBuilder) put(root, "root/.ssh/id_ed25519", builder.secret, 0o600);
  if (isBuilder) put(root, "var/lib/nixos-promote/keys/lab-1.secret", signing.secret, 0o600);
  introduce(root, instance, record, host);
}

/** What a host knows of its neighbours; again when there are more of them. */
export function introduce(
  root: string,
  instance: Instance,
  record: InstanceRecord,
  host: HostRecord,
): void {
  put(root, "etc/hosts", hostsFile(record));
  if (host.name !== BUILDER) return;
  const config = sshConfig(record, "/root/.ssh/id_ed25519", "/root/.ssh/known_hosts");
  put(root, "root/.ssh/known_hosts", knownHosts(instance, record));
  put(root, "root/.ssh/config", config, 0o600);
}

/** Take away what belongs to one host, so that what is left can be a layer under others. */
export function undress(upper: string): void {
  for (const path of PERSONAL) rmSync(join(upper, path), { recursive: true, force: true });
}

/** Every file below `from`, at its place below `root`. */
function putAll(root: string, from: string): void {
  for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const mode = statSync(file).mode & 0o100 ? 0o755 : 0o644;
    put(root, relative(from, file), readFileSync(file), mode);
  }
}

/** Never writes through a link: a link in /etc leads into the Nix store. */
function put(root: string, path: string, content: string | Uint8Array, mode = 0o644): void {
  const file = join(root, path);
  const directory = dirname(file);
  const holdsSecrets = /\/(\.ssh|keys)$/.test(directory);
  mkdirSync(dirname(directory), { recursive: true });
  mkdirSync(directory, { recursive: true, mode: holdsSecrets ? 0o700 : 0o755 });
  writeFileSync(`${file}.new`, content, { mode });
  renameSync(`${file}.new`, file);
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

function hostsFile(record: InstanceRecord): string {
  const lines = record.hosts.map((host) => `${host.address} ${host.name} ${shortName(host.name)}`);
  return `127.0.0.1 localhost\n${lines.join("\n")}\n`;
}

/** No substituters and no registry: a lab host reaches nothing but its neighbours. */
function nixConf(trustedKey: string): string {
  return `experimental-features = nix-command flakes
sandbox = false
require-sigs = true
trusted-public-keys = ${trustedKey}
substituters =
flake-registry =
build-users-group =
fsync-metadata = false
`;
}
