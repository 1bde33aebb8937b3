// The first NixOS system of both hosts, built once on a lab of its own and cached as a layer between base and host.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cached, cacheRoot, hashOf } from "./cache.ts";
import { BUILDER, ROOTFS, undress } from "./dress.ts";
import { Instance, type InstanceRecord } from "./instance.ts";
import { disown, own } from "./leave.ts";
import { Machine } from "./machine.ts";
import { LabError, must } from "./process.ts";
import { down, up } from "./up.ts";

const NIXOS = join(import.meta.dirname, "nixos");
/** Its repository holds a copy of them. */
const MODULES = join(import.meta.dirname, "../nixos/modules");
const WORKSPACE = "/opt/choiros/workspace";
/** The revision that a new lab runs: a plain system, so that the first promotion is a real change. */
const FIRST_REVISION = "base";
const TARGET = "choiros-prod";

/**
 * Directory with one overlay layer per host: repository, Nix store with the first system, profile, boot default.
 * Nothing in it belongs to one instance: keys, machine ids and logs are taken out.
 */
export async function systemLayer(base: string, log: (line: string) => void): Promise<string> {
  const key = hashOf(
    [NIXOS, MODULES, ROOTFS, join(import.meta.dirname, "dress.ts"), import.meta.filename],
    base,
  );
  return cached("lab-system", key, (directory) => makeLayer(directory, base, log), log);
}

async function makeLayer(
  directory: string,
  base: string,
  log: (line: string) => void,
): Promise<void> {
  log(
    "building the first NixOS system of both hosts (once per version of lab/nixos, a few seconds) ...",
  );
  const began = Date.now();
  // One name per cache, as one maker per cache holds its lock: what a killed one left, the next one replaces.
  const instance = new Instance(`layer-${hashOf([], cacheRoot())}`);
  own(instance.name);
  try {
    const record = await up({
      instance,
      hosts: [BUILDER, TARGET],
      base,
      system: null,
      log: () => {},
    });
    const [builder, target] = await provision(instance, record);
    mkdirSync(directory, { recursive: true });
    for (const machine of [builder, target]) await keepUpper(machine, directory);
  } finally {
    await down(instance);
    disown(instance.name);
  }
  log(`the first system is ready (${((Date.now() - began) / 1000).toFixed(1)} s)`);
}

async function provision(instance: Instance, record: InstanceRecord): Promise<[Machine, Machine]> {
  const [builder, target] = [BUILDER, TARGET].map((name) => {
    const host = record.hosts.find((each) => each.name === name);
    if (host === undefined) throw new LabError(`The lab has no host ${name}.`);
    return new Machine(instance, record, host);
  }) as [Machine, Machine];
  mkdirSync(join(builder.root, "opt/choiros"), { recursive: true });
  await must(["bash", join(NIXOS, "make-repo.sh"), join(builder.root, WORKSPACE)]);
  const rev = (
    await inside(builder, "git", "-C", WORKSPACE, "rev-parse", `${FIRST_REVISION}^{commit}`)
  ).trim();
  const [own = "", theirs = ""] = [
    await build(builder, rev, BUILDER),
    await build(builder, rev, TARGET),
  ];
  // Unsigned once: the key of this lab must not sign paths of another one.
  await inside(builder, "nix", "copy", "--no-check-sigs", "--to", `ssh-ng://${TARGET}`, theirs);
  await Promise.all([install(builder, own), install(target, theirs)]);
  return [builder, target];
}

async function build(builder: Machine, rev: string, host: string): Promise<string> {
  const installable = `git+file://${WORKSPACE}?rev=${rev}#nixosConfigurations.${host}.config.system.build.toplevel`;
  return (
    await inside(builder, "nix", "build", "--no-link", "--print-out-paths", installable)
  ).trim();
}

/** As an installation does: a boot default, then a boot. A switch would refuse, as Debian was no NixOS before. */
async function install(machine: Machine, toplevel: string): Promise<void> {
  await inside(machine, "nix-env", "-p", "/nix/var/nix/profiles/system", "--set", toplevel);
  await inside(machine, `${toplevel}/bin/switch-to-configuration`, "boot");
  await machine.kill();
  await machine.boot();
  const current = (await inside(machine, "readlink", "-f", "/run/current-system")).trim();
  if (current !== toplevel)
    throw new LabError(`${machine.host.name} booted ${current} instead of ${toplevel}.`);
}

async function inside(machine: Machine, ...argv: string[]): Promise<string> {
  const ran = await machine.exec(argv, { timeout: 300_000 });
  if (ran.code === 0) return ran.stdout;
  const text = `${ran.stdout}\n${ran.stderr}`.trim().split("\n").slice(-30).join("\n  ");
  throw new LabError(
    `The first system of ${machine.host.name} could not be made: ${argv.join(" ")} ended with ${ran.code}:\n  ${text}`,
  );
}

async function keepUpper(machine: Machine, directory: string): Promise<void> {
  await machine.kill();
  await machine.unmount();
  const upper = join(machine.dir, "upper");
  undress(upper);
  for (const path of ["root/.cache", "var/log", "var/lib/systemd", "var/tmp"]) {
    rmSync(join(upper, path), { recursive: true, force: true });
  }
  // --preserve=all also copies what overlayfs notes in extended attributes: deleted and replaced directories.
  await must([
    "cp",
    "--recursive",
    "--no-dereference",
    "--preserve=all",
    upper,
    join(directory, machine.host.name),
  ]);
}
