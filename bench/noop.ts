import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openLab } from "../lab/lab.ts";
import { Project, runPulumi } from "../lab/project.ts";
import { inTurn, median, type Report } from "./report.ts";

const PAIRS = 7;
const UP = ["up", "--yes", "--stack"];

/** A second `pulumi up` of prod: the host is observed twice, nothing changes. */
export async function noop(): Promise<Report> {
  const lab = await openLab({ instance: "bench", log: console.log });
  try {
    const project = new Project(lab);
    await project.initStacks();
    for (const stack of ["grind", "prod"]) await project.must([...UP, stack]);
    const empty = await emptyProgram(lab.dir, lab.env);

    const { ours, reference, ratio } = await inTurn(
      PAIRS,
      async () => (await project.must([...UP, "prod"])).seconds,
      async () => empty(),
    );
    return {
      series: [
        { name: "pulumi up, nothing to do", seconds: ours },
        { name: "empty Pulumi program", seconds: reference },
      ],
      summary: {
        name: "noop",
        ours: round(ours),
        reference: round(reference),
        ratio,
        hosts: 1,
        pairs: PAIRS,
      },
    };
  } finally {
    await lab.close();
  }
}

/** The floor of the CLI itself: the same command, Node and caches, and a program without resources. */
async function emptyProgram(
  directory: string,
  env: Readonly<Record<string, string>>,
): Promise<() => Promise<number>> {
  const cwd = `${directory}/empty`;
  rmSync(cwd, { recursive: true, force: true });
  mkdirSync(`${cwd}/state`, { recursive: true });
  writeFileSync(
    `${cwd}/Pulumi.yaml`,
    "name: empty\nruntime: {name: nodejs, options: {typescript: false}}\nmain: index.ts\n",
  );
  writeFileSync(`${cwd}/package.json`, '{"name": "empty", "type": "module"}\n');
  writeFileSync(`${cwd}/index.ts`, 'export const nothing = "nothing";\n');
  symlinkSync(fileURLToPath(new URL("../node_modules", import.meta.url)), `${cwd}/node_modules`);
  const environment = { ...process.env, ...env, PULUMI_BACKEND_URL: `file://${cwd}/state` };
  const run = async (args: string[]) => {
    const ended = await runPulumi(args, { cwd, env: environment });
    if (ended.code !== 0) throw new Error(`the empty program failed:\n${ended.output}`);
    return ended.seconds;
  };
  await run(["stack", "init", "empty"]);
  return () => run([...UP, "empty"]);
}

function round(seconds: number[]): number {
  return Number(median(seconds).toFixed(3));
}
