import { readFileSync, writeFileSync } from "node:fs";
import { type Verdict, verdict } from "../contract/verdict.ts";
import { type Lab, type LabHost, openLab } from "../lab/lab.ts";
import { Project } from "../lab/project.ts";
import { countingSsh } from "./counting-ssh.ts";
import { inTurn, median, type Report } from "./report.ts";

const PAIRS = 6;
const JOBS = "/var/lib/nixos-promote/jobs";

/**
 * What the transaction costs on top of `switch-to-configuration`: the host goes from one release to the
 * other and back, once by `pulumi up`, once by hand. Host time, not the operator's.
 */
export async function activate(): Promise<Report> {
  const lab = await openLab({ instance: "bench-activate", log: console.log });
  try {
    const releases = await bothReleases(lab);
    const prod = lab.host("prod");
    const counted: Counted[] = [];
    const seconds = await inTurn(PAIRS, {
      ours: async () => {
        await releases.promote("b", counted);
        return hostSeconds(await lastVerdict(prod));
      },
      reference: () => switchByHand(prod, releases.toplevels.a),
    });
    const on = counted.map(({ said }) => hostSeconds(said) - switchSeconds(said));
    const overhead = median(on.slice(1));
    return {
      series: [
        { name: "the transaction, on the host", seconds: seconds.ours },
        { name: "switch-to-configuration switch", seconds: seconds.reference },
        { name: "on top of its own switch", seconds: on.slice(1) },
      ],
      summary: {
        name: "activate",
        ours: round(median(seconds.ours)),
        reference: round(median(seconds.reference)),
        ratio: seconds.ratio,
        overheadSeconds: round(overhead),
        steps: stepsOf(counted.map(({ said }) => said)),
        connections: median(counted.map(({ connections }) => connections)),
        sessions: median(counted.map(({ sessions }) => sessions)),
        pairs: PAIRS,
      },
    };
  } finally {
    await lab.close();
  }
}

interface Counted {
  readonly said: Verdict;
  /** New TCP connections to the host during one `up`, and calls over the one that was open. */
  readonly connections: number;
  readonly sessions: number;
}

/** Releases a and b on prod, which takes them straight from the builder: one `up` for each. */
async function bothReleases(lab: Lab) {
  const project = new Project(lab);
  const calls = `${lab.dir}/ssh-calls`;
  const env = { PATH: `${countingSsh(lab.dir, calls)}:${lab.env.PATH}` };
  const file = project.stackFile("prod");
  const shipped = readFileSync(file, "utf8");
  await project.initStacks();
  const promote = async (rev: string, counted: Counted[] = []) => {
    const release = `from: build, builder: {kind: ssh, host: choiros-grind}, repo: /opt/choiros/workspace, rev: ${rev}, hosts: [choiros-prod], signingKeyFile: /var/lib/nixos-promote/keys/lab-1.secret`;
    writeFileSync(file, shipped.replace("from: stack, stack: grind", release));
    writeFileSync(calls, "");
    await project.must(["up", "--yes", "--skip-preview", "--stack", "prod"], { env });
    const lines = readFileSync(calls, "utf8").split("\n");
    const toProd = lines.filter((line) => line.includes(" choiros-prod "));
    const sessions = toProd.filter((line) => line.includes("ControlMaster=no")).length;
    const said = await lastVerdict(lab.host("prod"));
    counted.push({ said, sessions, connections: toProd.length - sessions });
  };
  await promote("b");
  await promote("a");
  const a = (await lastVerdict(lab.host("prod"))).toplevel;
  return { promote, toplevels: { a } };
}

/** `nixos-rebuild switch` without the building: profile, then switch. */
async function switchByHand(host: LabHost, toplevel: string): Promise<number> {
  const script =
    'began=$(date +%s.%N); nix-env -p /nix/var/nix/profiles/system --set "$1" && "$1/bin/switch-to-configuration" switch >&2 && echo "$began $(date +%s.%N)"';
  const [began, ended] = (await host.must(["bash", "-c", script, "bash", toplevel])).split(" ");
  return Number(ended) - Number(began);
}

async function lastVerdict(host: LabHost): Promise<Verdict> {
  const read = `cat "$(ls -td ${JOBS}/activate-*/ | head -n 1)result.json"`;
  return verdict.parse(JSON.parse(await host.must(["bash", "-c", read])));
}

function hostSeconds({ steps }: Verdict): number {
  return steps.reduce((sum, { seconds }) => sum + seconds, 0);
}

function switchSeconds(said: Verdict): number {
  return said.switch?.seconds ?? 0;
}

/** The median of each step, so that a slow one is seen. */
function stepsOf(verdicts: readonly Verdict[]): Record<string, number> {
  const names = verdicts[0]?.steps.map(({ name }) => name) ?? [];
  const secondsOf = (name: string) =>
    verdicts.map(({ steps }) => steps.find((step) => step.name === name)?.seconds ?? 0);
  return Object.fromEntries(names.map((name) => [name, round(median(secondsOf(name)))]));
}

function round(seconds: number): number {
  return Number(seconds.toFixed(3));
}
