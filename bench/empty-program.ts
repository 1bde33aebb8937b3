// A Pulumi program without resources: what the engine takes for itself.
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Lab } from "../lab/lab.ts";
import { runPulumi } from "../lab/project.ts";

type Files = Readonly<Record<string, string>>;

/** What `pulumi new typescript` writes, without its comments. */
export const TEMPLATE: Files = {
  "Pulumi.yaml": "name: empty\nruntime: {name: nodejs, options: {packagemanager: npm}}\n",
  "package.json": '{"name": "empty", "main": "index.ts"}\n',
  "tsconfig.json": JSON.stringify({
    compilerOptions: {
      ...{ strict: true, outDir: "bin", target: "es2020", module: "commonjs" },
      ...{ moduleResolution: "node", sourceMap: true, experimentalDecorators: true },
      ...{ pretty: true, noFallthroughCasesInSwitch: true, noImplicitReturns: true },
      forceConsistentCasingInFileNames: true,
    },
    files: ["index.ts"],
  }),
  "index.ts": 'import * as pulumi from "@pulumi/pulumi";\n',
};

/** The floor of the CLI itself: Node runs the program as it is, and it does not even load the SDK. */
export const BARE: Files = {
  "Pulumi.yaml":
    "name: empty\nruntime:\n  name: nodejs\n  options:\n    typescript: false\nmain: index.ts\n",
  "package.json": '{"name": "empty", "type": "module"}\n',
  "index.ts": 'export const nothing = "nothing";\n',
};

/** A program without resources, on the same command, Node and caches as ours. */
export async function emptyProgram(
  { dir, env }: Lab,
  name: string,
  files: Files,
  up: readonly string[] = ["up", "--yes"],
): Promise<() => Promise<number>> {
  const cwd = `${dir}/empty-${name}`;
  rmSync(cwd, { recursive: true, force: true });
  mkdirSync(`${cwd}/state`, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(`${cwd}/${file}`, text);
  symlinkSync(fileURLToPath(new URL("../node_modules", import.meta.url)), `${cwd}/node_modules`);
  const environment = { ...process.env, ...env, PULUMI_BACKEND_URL: `file://${cwd}/state` };
  const run = async (args: readonly string[]) => {
    const ended = await runPulumi(args, { cwd, env: environment });
    if (ended.code !== 0) throw new Error(`the empty program failed:\n${ended.output}`);
    return ended.seconds;
  };
  await run(["stack", "init", "empty"]);
  return () => run([...up, "--stack", "empty"]);
}
