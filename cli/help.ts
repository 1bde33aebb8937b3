import type { Command } from "./commands.ts";
import type { Output } from "./output.ts";

type Paint = Pick<Output, "paint">;

const COMMON = `  --json         one JSON document on stdout, all else on stderr
  -C, --cwd DIR  the Pulumi project (default: this directory, or one above)
  -h, --help     this`;

const CODES = `Exit code: 0 done or nothing to do; 1 failed and rolled back, or refused;
2 wrong usage or settings; 3 drift or not healthy; 4 a host does not answer;
5 nobody said yes; 6 not as --expect-clean; 130 interrupted.`;

export function overview(commands: Readonly<Record<string, Command>>, output: Paint): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length));
  const lines = Object.entries(commands).map(
    ([name, { summary }]) => `  ${output.paint(name.padEnd(width), "bold")}  ${summary}`,
  );
  return `Promotes what runs healthy on the host that builds to production.

usage: promote [COMMAND] [OPTION]...
       promote COMMAND --help

${lines.join("\n")}

Without a command it promotes.

${COMMON}

For example:
  promote status              what all hosts run, and whether it is healthy
  promote --stack prod        build, run on grind, show, ask, run on prod
  promote --stack prod --yes  the same in CI, where nobody can answer

${CODES}`;
}

export function helpOf(name: string, { summary, help }: Command, output: Paint): string {
  return `${output.paint(`promote ${name}`, "bold")}: ${summary.toLowerCase()}

${help.trim()}

Every command:
${COMMON}

${CODES}`;
}
