// Runs the shipped program of a stack, and prints which npm packages that took, one a line.
// usage: loaded-modules.ts grind|prod|cloud [CONFIG]   CONFIG is JSON, by key
import { createRequire } from "node:module";
import { runCloud } from "./cloud.ts";
import { runProgram } from "./program.ts";
import { EVALUATION, GRIND, MANIFEST, REV } from "./samples.ts";

const [stack = "", config = "{}"] = process.argv.slice(2);
const release = { rev: REV, subject: EVALUATION.subject, manifest: MANIFEST, builder: GRIND };
if (stack === "cloud") await runCloud(JSON.parse(config));
else if (stack === "grind" || stack === "prod")
  await runProgram({
    stack,
    from: "start.ts",
    config: JSON.parse(config),
    offer: { release, healthy: true },
  });
else throw new Error(`there is no stack ${stack}`);

const files = Object.keys(createRequire(import.meta.url).cache);
const packages = files.flatMap(
  (file) => /.*node_modules\/((@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? [],
);
console.log([...new Set(packages)].sort().join("\n"));
