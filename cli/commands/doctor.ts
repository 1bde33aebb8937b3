import { checkup, findingLines } from "../checkup.ts";
import type { Call } from "../commands.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { Facts } from "../facts.ts";
import { textOf } from "../flags.ts";
import { openProject, stackNamed } from "../project.ts";
import { Pulumi } from "../pulumi.ts";

export async function doctor({ flags, output, cwd }: Call): Promise<ExitCode> {
  const project = openProject(cwd);
  const wanted = textOf(flags, "stack");
  const stacks = wanted === undefined ? project.stacks : [stackNamed(project, wanted)];
  output.progress("checking everything at once …");
  const pulumi = new Pulumi(project.directory, output);
  const findings = await checkup(pulumi, new Facts(project), stacks);
  const titles = new Map(stacks.map(({ name, host }) => [name, `${name} (${host})`]));
  for (const line of findingLines(findings, output, titles)) output.line(line);
  const count = (state: string) => findings.filter((finding) => finding.state === state).length;
  const [ok, warn, fail] = [count("ok"), count("warn"), count("fail")];
  output.line();
  output.line(`${ok} ok, ${warn} to know, ${fail} to mend`);
  output.document({ findings, counts: { ok, warn, fail } });
  return fail === 0 ? EXIT.done : EXIT.failed;
}
