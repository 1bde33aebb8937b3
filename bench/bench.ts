import { activate } from "./activate.ts";
import { noop } from "./noop.ts";
import { printTable, type Report } from "./report.ts";

const benchmarks: Record<string, { about: string; run: () => Promise<Report> }> = {
  noop: {
    about: "`pulumi up` with nothing to do, drift check included, beside an empty Pulumi program",
    run: noop,
  },
  activate: {
    about: "a transaction on the host, beside plain `switch-to-configuration switch`",
    run: activate,
  },
};

const HELP = `npm run bench -- NAME     measures, prints a table, and as its last line one JSON object

${Object.entries(benchmarks)
  .map(([name, { about }]) => `  ${name.padEnd(8)} ${about}`)
  .join("\n")}

ratio = ours / reference, the median of pairs of one run. Nothing is asserted.`;

const [name = ""] = process.argv.slice(2);
const benchmark = benchmarks[name];
if (benchmark === undefined) {
  console.log(HELP);
  process.exitCode = ["", "--help", "-h"].includes(name) ? 0 : 2;
} else {
  const report = await benchmark.run();
  printTable(report);
  console.log(JSON.stringify(report.summary));
}
