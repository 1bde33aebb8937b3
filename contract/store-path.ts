import { z } from "zod";

/** `/nix/store/<32 characters of Nix's base 32>-<name>`; nothing below it, no derivation. */
export const storePath = z
  .string()
  .regex(
    /^\/nix\/store\/[0-9abcdfghijklmnpqrsvwxyz]{32}-[0-9a-zA-Z+\-._?=]{1,211}$/,
    "must be a store path such as /nix/store/<hash>-<name>",
  );

const HASH = "/nix/store/".length;
const PREFIX = HASH + 33;

/** The 32 characters of `/nix/store/<hash>-hypervisor-1.5.0`. */
export function storeHash(path: string): string {
  return path.slice(HASH, HASH + 32);
}

/** `hypervisor-1.5.0` of `/nix/store/<hash>-hypervisor-1.5.0`. */
export function storeName(path: string): string {
  return path.slice(PREFIX);
}

/**
 * The name as Nix splits it: the version begins at the first dash that no letter follows (as `builtins.parseDrvName`).
 * The unit file of a template, `unit-container-.service`, is not version .service of anything.
 */
export function packageOf(path: string): { name: string; version: string } {
  const full = storeName(path);
  const at = full.search(/-(?![a-zA-Z.]|$)/);
  return at < 0
    ? { name: full, version: "" }
    : { name: full.slice(0, at), version: full.slice(at + 1) };
}

/** Enough of the hash to tell two releases apart at a glance. */
export function shortPath(path: string): string {
  return `${storeHash(path).slice(0, 7)}…-${storeName(path)}`;
}
