// Toplevels that differ in their units alone, put into the store of a lab host without building them.
import { createHash } from "node:crypto";
import { cp, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { LabHost } from "../../lab/lab.ts";
import type { UnitTree } from "../../providers/nixos/plan/unit-files.ts";

/** Copies of what the host runs, each with these units beside those it has; their store paths. */
export async function putToplevels(
  host: LabHost,
  name: string,
  trees: readonly UnitTree[],
): Promise<string[]> {
  const base = (await host.must(["readlink", "-e", "/run/current-system"])).trim();
  const units = (await host.must(["readlink", "-e", `${base}/etc/systemd/system`])).trim();
  const paths: string[] = [];
  for (const [index, tree] of trees.entries()) {
    const text = JSON.stringify(tree);
    const path = `/nix/store/${hashOf(`${name} ${index} ${text}`)}-nixos-system-${name}-${index}`;
    const root = `${host.root}${path}`;
    await rm(root, { recursive: true, force: true });
    await cp(`${host.root}${base}`, root, { recursive: true, verbatimSymlinks: true });
    for (const script of ["activate", "dry-activate", "bin/switch-to-configuration"])
      await replaceIn(`${root}/${script}`, base, path);
    await cp(`${host.root}${units}`, `${root}/units`, { recursive: true, verbatimSymlinks: true });
    for (const [file, content] of Object.entries(tree))
      await writeUnit(`${root}/units/${file}`, content);
    await ownEtc(host, base, path);
    paths.push(path);
  }
  const registrations = paths.map((path) => `${path}\n\n1\n${base}\n`).join("");
  await host.must(["nix-store", "--register-validity"], { input: registrations });
  return paths;
}

async function ownEtc(host: LabHost, base: string, path: string): Promise<void> {
  const etc = (await host.must(["readlink", "-e", `${base}/etc`])).trim();
  const own = `${host.root}${path}/own-etc`;
  await cp(`${host.root}${etc}`, own, { recursive: true, verbatimSymlinks: true });
  const script = 'rm "$1/etc" "$1/own-etc/systemd/system"; ln -s "$1/own-etc" "$1/etc"';
  await host.must(["bash", "-c", script, "bash", path]);
  await symlink(`${path}/units`, `${own}/systemd/system`);
}

async function writeUnit(file: string, content: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  if (content.startsWith("-> ")) await symlink(content.slice(3), file);
  else await writeFile(file, content);
}

async function replaceIn(file: string, from: string, to: string): Promise<void> {
  await writeFile(file, (await readFile(file, "utf8")).replaceAll(from, to));
}

const LETTERS = "0123456789abcdfghijklmnpqrsvwxyz";

function hashOf(text: string): string {
  const bytes = createHash("sha256").update(text).digest();
  return [...bytes].map((byte) => LETTERS[byte & 31]).join("");
}
