// What the example of a fleet is put into on lab hosts: repositories, caches, a key, and stand-ins for its inputs.
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { LabHost } from "../../lab/lab.ts";
import { EXAMPLE } from "./bastion.ts";
import { eventually } from "./world.ts";

/** The stacks of the example, by their hosts. */
export const ALL = ["attic", "bastion", "desk", "media"];
export const BUILDS_FROM = "/var/lib/fleet.git";
/** By name: the port at the bastion. */
export const CACHES = { inner: 8088, outer: 8089 } as const;
const OTHERS = fileURLToPath(new URL("../nixos/others/", import.meta.url));

/** The example's stacks, with the lab's caches and the lab's key. */
export function stacks(): Record<string, string> {
  const caches = Object.entries(CACHES).map(
    ([name, port]) => `{pull: "http://choiros-grind:${port}", push: "file:///srv/${name}"}`,
  );
  const read = (name: string) => readFileSync(`${EXAMPLE}Pulumi.${name}.yaml`, "utf8");
  const texts = ALL.map((name) => [
    name,
    read(name)
      .replace(/\n {4}caches:\n(?: {6}.*\n)+/, `\n    caches: [${caches.join(", ")}]\n`)
      .replace("keys/bastion-1.secret", "keys/lab-1.secret")
      .replace("deadlineSeconds: 60", "deadlineSeconds: 15"),
  ]);
  return Object.fromEntries(texts);
}

/** As an installation leaves a host: with a first system, booted. */
export async function becomeNixos(grind: LabHost, hosts: readonly LabHost[]): Promise<void> {
  const system = (await grind.must(["readlink", "-f", "/run/current-system"])).trim();
  for (const host of hosts) {
    await grind.must(["nix", "copy", "--no-check-sigs", "--to", `ssh-ng://${host.name}`, system]);
    await host.must(["nix-env", "-p", "/nix/var/nix/profiles/system", "--set", system]);
    await host.must([`${system}/bin/switch-to-configuration`, "boot"]);
    await host.powerCut();
    await host.boot();
  }
}

/** The key that opens every host is for root alone, which hands it to the runner's jobs. */
export async function keepTheKey(grind: LabHost): Promise<void> {
  const script = `mv /root/.ssh/id_ed25519 /var/lib/nixos-promote/keys/deploy
    ssh-keygen -y -f /var/lib/nixos-promote/keys/deploy >>/root/.ssh/authorized_keys
    echo '127.0.0.1 bastion' >>/etc/hosts
    { cat /root/.ssh/known_hosts; printf 'bastion '; cat /etc/ssh/ssh_host_ed25519_key.pub; } >/etc/ssh/ssh_known_hosts
    rm -r /root/.ssh/config /root/.ssh/known_hosts`;
  await grind.must(["bash", "-euc", script]);
}

export async function serveRepositories(grind: LabHost): Promise<void> {
  await grind.must(["git", "init", "--quiet", "--bare", "--initial-branch=main", BUILDS_FROM]);
  await grind.must([
    "git",
    "init",
    "--quiet",
    "--bare",
    "--initial-branch=main",
    "/srv/hub/hub.git",
  ]);
  const daemon = [
    "git",
    "daemon",
    "--export-all",
    "--enable=receive-pack",
    "--base-path=/srv/hub",
    "/srv/hub",
  ];
  await grind.must(["systemd-run", "--quiet", "--unit=hub", "--setenv=HOME=/root", ...daemon]);
}

export async function serveCaches(grind: LabHost): Promise<void> {
  for (const [name, port] of Object.entries(CACHES)) {
    const sites = `{\n  admin off\n  auto_https off\n}\n:${port} {\n  root * /srv/${name}\n  file_server\n  log {\n    output file /var/log/cache-${name}.json\n  }\n}\n`;
    await grind.must(["mkdir", "-p", `/srv/${name}`]);
    await grind.must(["tee", `/srv/${name}.caddy`], { input: sites });
    const run = [
      "systemd-run",
      "--quiet",
      `--unit=cache-${name}`,
      "--service-type=exec",
      "--setenv=HOME=/root",
    ];
    await grind.must([
      ...run,
      "caddy",
      "run",
      "--adapter=caddyfile",
      `--config=/srv/${name}.caddy`,
    ]);
  }
}

/** The example as a repository, with the lab's stand-ins in the place of its inputs. */
export async function writeTheFleet(laptop: LabHost, grind: LabHost, hub: string): Promise<void> {
  const fleet = `${laptop.root}/root/fleet`;
  mkdirSync(fleet, { recursive: true });
  for (const name of readdirSync(EXAMPLE).filter((file) => /\.(nix|sh)$/.test(file)))
    cpSync(`${EXAMPLE}${name}`, `${fleet}/${name === "flake.nix" ? "fleet.nix" : name}`);
  cpSync(`${grind.root}/opt/choiros/workspace/vendor`, `${fleet}/vendor`, { recursive: true });
  cpSync(`${OTHERS}home-manager.nix`, `${fleet}/vendor/home-manager.nix`);
  writeFileSync(`${fleet}/flake.nix`, FLAKE);
  const common = readFileSync(`${fleet}/common.nix`, "utf8");
  writeFileSync(`${fleet}/common.nix`, common.replace("{\n", "{\n  # release\n"));
  await eventually(
    "the hub answers",
    async () => (await laptop.exec(["git", "ls-remote", hub])).code === 0,
  );
  const script = `cd /root/fleet; git init --quiet --initial-branch=main; git remote add origin "$1"
    git config user.name Dev; git config user.email dev@example.com`;
  await laptop.must(["bash", "-euc", script, "bash", hub]);
}

const FLAKE = `{
  outputs =
    { self }:
    let
      nixos = import ./vendor/nixos/lib;
    in
    (import ./fleet.nix).outputs {
      inherit self;
      nixpkgs.lib = nixos.lib // { inherit (nixos) nixosSystem; };
      nixos-promote.nixosModules.default = ./vendor/nixos-promote;
      home-manager.nixosModules.home-manager = ./vendor/home-manager.nix;
    };
}
`;
