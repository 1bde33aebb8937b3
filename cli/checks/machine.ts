import { runProcess } from "../../providers/executors/process.ts";
import { Findings } from "../finding.ts";
import type { Stack } from "../project.ts";
import { type Pulumi, said } from "../pulumi.ts";

export const HERE = "this machine";

/** What has to be installed here. */
export async function checkMachine(pulumi: Pulumi, stacks: readonly Stack[]): Promise<Findings> {
  const found = new Findings(HERE);
  found.ok("node", process.versions.node);
  const settings = stacks.flatMap((stack) => stack.settings ?? []);
  const watched = [...settings, ...stacks.flatMap(({ members }) => members ?? [])];
  const usesSsh = watched.some(({ host }) => host.connection.kind === "ssh");
  const relays = settings.some(({ copy }) => copy.via === "relay");
  await Promise.all([
    checkPulumi(pulumi, found),
    ...(usesSsh ? [checkProgram("ssh", "-V", "the OpenSSH client", found)] : []),
    ...(relays
      ? [checkProgram("nix", "--version", "Nix, through which [copy.via] relay copies", found)]
      : []),
  ]);
  return found;
}

async function checkPulumi(pulumi: Pulumi, found: Findings): Promise<void> {
  const ended = await pulumi.ask(["version"], 20);
  if (ended.code === 0) found.ok("pulumi", ended.stdout.trim().replace(/^v/, ""));
  else
    found.fail(
      "pulumi",
      said(ended),
      "Install the Pulumi CLI, or run: npm run setup -- --for program",
    );
}

async function checkProgram(
  name: string,
  asksVersion: string,
  what: string,
  found: Findings,
): Promise<void> {
  const ended = await runProcess([name, asksVersion], "", 20, { endsWithUs: true });
  const version = `${ended.stdout}${ended.stderr}`.trim().split("\n")[0] ?? "";
  if (ended.code === 0) found.ok(name, version);
  else found.fail(name, `${name} does not run here: ${version}`, `Install ${what}.`);
}
