/** Exits 0 if node_modules holds every package of package-lock.json, in the locked version. */
import { readFileSync } from "node:fs";

interface Package {
  version?: string;
  optional?: boolean;
}

const root = new URL("../", import.meta.url);
const locked = packagesOf("package-lock.json");
const installed = packagesOf("node_modules/.package-lock.json");

/** An optional package may be absent, since it may be for another system; a wrong version never fits. */
const fits = Object.entries(locked).every(([path, { version, optional }]) => {
  if (path === "") return true;
  const found = installed[path];
  return found ? found.version === version : optional === true;
});
process.exit(fits ? 0 : 1);

function packagesOf(file: string): Record<string, Package> {
  const lock: { packages?: Record<string, Package> } = JSON.parse(
    readFileSync(new URL(file, root), "utf8"),
  );
  return lock.packages ?? {};
}
