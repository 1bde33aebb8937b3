import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Lab, openLab } from "../lab/lab.ts";
import { Project, runPulumi } from "../lab/project.ts";
import { inTurn, median, type Report, ratios } from "./report.ts";

const PAIRS = 7;
const UP = ["up", "--yes", "--stack"];

/** A second `pulumi up` of prod: the host is observed twice, nothing changes. */
export async function noop(): Promise<Report> {
  const lab = await openLab({ instance: "bench", log: console.log });
  try {
    const project = new Project(lab);
    await project.initStacks();
    for (const stack of ["grind", "prod"]) await project.must([...UP, stack]);
    const template = await emptyProgram(lab, "template", TEMPLATE);
    const bare = await emptyProgram(lab, "bare", BARE);

    const seconds = await inTurn(PAIRS, {
      ours: async () => (await project.must([...UP, "prod"])).seconds,
      reference: template,
      bare,
    });
    const { ours, reference, ratio } = seconds;
    return {
      series: [
        { name: "pulumi up, nothing to do", seconds: ours },
        { name: "empty program, as `pulumi new typescript` writes it", seconds: reference },
        { name: "empty program, not even compiled", seconds: seconds.bare },
      ],
      summary: {
        name: "noop",
        ours: round(ours),
        reference: round(reference),
        ratio,
        bare: round(seconds.bare),
        ratioToBare: median(ratios(ours, seconds.bare)),
        hosts: 1,
        pairs: PAIRS,
      },
    };
  } finally {
    await lab.close();
  }
}

type Files = Readonly<Record<string, string>>;

/** What `pulumi new typescript` writes, without its comments. */
const TEMPLATE: Files = {
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
const BARE: Files = {
  "Pulumi.yaml":
    "name: empty\nruntime:\n  name: nodejs\n  options:\n    typescript: false\nmain: index.ts\n",
  "package.json": '{"name": "empty", "type": "module"}\n',
  "index.ts": 'export const nothing = "nothing";\n',
};

/** A program without resources, on the same command, Node and caches as ours. */
async function emptyProgram(
  { dir, env }: Lab,
  name: string,
  files: Files,
): Promise<() => Promise<number>> {
  const cwd = `${dir}/empty-${name}`;
  rmSync(cwd, { recursive: true, force: true });
  mkdirSync(`${cwd}/state`, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(`${cwd}/${file}`, text);
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
