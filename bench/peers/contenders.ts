import { readFileSync, writeFileSync } from "node:fs";
import { type Ended, Project } from "../../lab/project.ts";
import type { DeployRs } from "./deploy-rs.ts";
import { HEALTH_SECONDS, stackSettings } from "./stack.ts";
import { REPOSITORY, type Release, type World } from "./world.ts";

export { HEALTH_SECONDS };

export interface Run {
  readonly code: number;
  readonly output: string;
  readonly seconds: number;
}

/** Somebody who puts releases on all hosts of the world. */
export interface Contender {
  readonly name: string;
  /** Why it takes no part. */
  readonly missing?: string;
  promote(release: Release): Promise<Run>;
  /** What this release would do; the hosts go on as before. */
  preview(release: Release): Promise<Run>;
}

/** `pulumi up` of one stack, from the operator's machine. The builder builds and sends. */
export async function ours(
  world: World,
  env: Readonly<Record<string, string>>,
): Promise<Contender> {
  const project = new Project(world.lab);
  const file = project.stackFile("prod");
  const pulumi = async (release: Release, ...args: string[]): Promise<Run> => {
    writeFileSync(file, stackSettings(world.names, release.rev) + salt(file));
    const parallel = ["--parallel", String(4 * world.hosts.length)];
    return project.pulumi([...args, ...parallel, "--stack", "prod"], { env });
  };
  await project.must(["stack", "init", "prod"]);
  return {
    name: "nixos-promote",
    promote: (release) => pulumi(release, "up", "--yes", "--skip-preview"),
    preview: (release) => pulumi(release, "preview"),
  };
}

/** Pulumi has put it into the settings: with it, it reads its state. */
function salt(file: string): string {
  return /^encryptionsalt: .*\n/m.exec(readFileSync(file, "utf8"))?.[0] ?? "";
}

/** On the builder, in the work tree, without the checks of the flake; with magic rollback, as it comes. */
export function deployRs(world: World, { missing }: DeployRs): Contender {
  const deploy = async (release: Release, ...options: string[]): Promise<Run> => {
    await world.checkOut(release);
    return onBuilder(world, ["deploy", "--skip-checks", ...options, "."]);
  };
  return {
    name: "deploy-rs",
    ...(missing === undefined ? {} : { missing }),
    promote: (release) => deploy(release),
    preview: (release) => deploy(release, "--dry-activate"),
  };
}

/** script.sh on the builder. */
export function plainScript(world: World): Contender {
  const script = async (release: Release, action: string): Promise<Run> => {
    await world.checkOut(release);
    return onBuilder(world, ["bash", "/usr/local/bin/script.sh", action, ...world.names]);
  };
  return {
    name: "nix copy, ssh, switch",
    promote: (release) => script(release, "switch"),
    preview: (release) => script(release, "dry-activate"),
  };
}

/** It is part of nixpkgs, which cannot be had without the internet; the lab's own stand-in only switches the host that it runs on. */
export const NIXOS_REBUILD =
  "nixpkgs is not on this machine, and its nixos-rebuild comes from there";

const LIMIT_MILLISECONDS = 300_000;

async function onBuilder(world: World, argv: string[]): Promise<Run> {
  const began = performance.now();
  const at = ["env", "-C", REPOSITORY, ...argv];
  const ran = await world.builder.exec(at, { timeout: LIMIT_MILLISECONDS });
  const seconds = (performance.now() - began) / 1000;
  return { code: ran.code ?? 255, output: ran.stdout + ran.stderr, seconds };
}

export function requireGood(name: string, ended: Run | Ended): Run {
  if (ended.code === 0) return ended;
  throw new Error(`${name} failed with ${ended.code}:\n${ended.output.slice(-4000)}`);
}
