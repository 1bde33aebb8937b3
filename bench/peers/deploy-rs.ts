import { existsSync } from "node:fs";
import { delimiter } from "node:path";
import { cacheRoot } from "../../lab/cache.ts";
import { run } from "../../lab/process.ts";

/** The last version that we have measured. */
const COMMIT = "d5eff7f948535b9c723d60cd8239f8f11ddc90fa";
const BUILD_MILLISECONDS = 900_000;

/** Where its programs `deploy` and `activate` are, or why there are none. */
export type DeployRs =
  | { readonly directory: string; readonly missing?: undefined }
  | { readonly directory?: undefined; readonly missing: string };

/**
 * deploy-rs, from the directory that was given, PATH, our cache, or built into our cache by cargo: from its
 * repository, as the crate of that name is another program.
 */
export async function findDeployRs(given: string): Promise<DeployRs> {
  if (given !== "") {
    if (isThere(given)) return { directory: given };
    throw new Error(`--deploy-rs ${given}: this directory does not hold both deploy and activate.`);
  }
  const cached = `${cacheRoot()}/deploy-rs-${COMMIT.slice(0, 12)}/bin`;
  const found = [...(process.env.PATH ?? "").split(delimiter), cached].find(isThere);
  if (found !== undefined) return { directory: found };
  console.error("building deploy-rs with cargo (once, some minutes) ...");
  const root = cached.replace(/\/bin$/, "");
  const from = ["--git", "https://github.com/serokell/deploy-rs", "--rev", COMMIT];
  const install = ["cargo", "install", "--locked", "--root", root, ...from];
  const built = await run(install, { timeout: BUILD_MILLISECONDS }).catch((error: Error) => ({
    ...{ code: 127, stderr: error.message },
  }));
  if (built.code === 0 && isThere(cached)) return { directory: cached };
  return { missing: `cargo could not build it: ${built.stderr.trim().split("\n").at(-1) ?? ""}` };
}

function isThere(directory: string): boolean {
  return ["deploy", "activate"].every((name) => existsSync(`${directory}/${name}`));
}
