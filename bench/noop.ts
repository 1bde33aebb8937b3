import { openLab } from "../lab/lab.ts";
import { Project } from "../lab/project.ts";
import { BARE, emptyProgram, TEMPLATE } from "./empty-program.ts";
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

function round(seconds: number[]): number {
  return Number(median(seconds).toFixed(3));
}
