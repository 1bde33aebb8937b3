// The ways over which the operator reaches prod: TEST_EXECUTOR chooses, the rows are the same.
import assert from "node:assert/strict";
import { connect } from "node:net";
import type { LabHost } from "../../lab/lab.ts";
import { eventually } from "../e2e/world.ts";

export interface Way {
  readonly kind: "ssh" | "awsSsm";
  /** The unit on prod that lets us in. */
  readonly unit: string;
  /** First on the PATH of whoever comes in over it. */
  readonly bin: string;
  /** The setting of it. */
  connection(prod: LabHost): object;
  /** All that serves us there: the unit's own process, and those of each session or command. */
  processes(prod: LabHost): Promise<string[]>;
  /** Ends what serves us now, and not the unit's own process. */
  endSessions(prod: LabHost): Promise<void>;
  /** Would it take a command now? */
  answers(prod: LabHost): Promise<boolean>;
}

const ssh: Way = {
  kind: "ssh",
  unit: "ssh.service",
  bin: "/usr/local/bin",
  connection: () => ({ kind: "ssh", host: "choiros-prod", connectTimeoutSeconds: 2 }),
  processes: (prod) => linesOf(prod, "pgrep sshd"),
  endSessions: (prod) => shell(prod, `kill -KILL $(pgrep -f '[s]shd.*: root@')`),
  answers: answersSsh,
};

/** Its agent keeps each command in a directory, which names the group of the script's processes. */
const WORKERS = `pgrep -f '[a]mazon-ssm-agent/agent.py worker'`;
const END_COMMANDS = `kill -KILL $(${WORKERS})
for group in /var/lib/amazon/ssm/current/*/group; do kill -KILL -- "-$(cat "$group")" || true; done`;

const awsSsm: Way = {
  kind: "awsSsm",
  unit: "amazon-ssm-agent.service",
  bin: "/run/amazon-ssm-agent/bin",
  connection: ({ instanceId }) => ({
    ...{ kind: "awsSsm", instanceId, region: "eu-central-1", deliveryTimeoutSeconds: 30 },
  }),
  processes: (prod) => linesOf(prod, "pgrep -f '[a]mazon-ssm-agent/agent.py' || test $? = 1"),
  async endSessions(prod) {
    const works = async () => (await prod.exec(["bash", "-c", WORKERS])).code === 0;
    await eventually("a command runs", works);
    await shell(prod, END_COMMANDS);
  },
  async answers(prod) {
    const states = await linesOf(
      prod,
      "ps -o stat= -p $(systemctl show -P MainPID amazon-ssm-agent)",
    );
    return states.every((state) => !state.startsWith("T"));
  },
};

const WAYS: readonly Way[] = [ssh, awsSsm];

/** The one of this run. */
export const way: Way = chosen(process.env.TEST_EXECUTOR ?? "ssh");

function chosen(kind: string): Way {
  const found = WAYS.find((each) => each.kind === kind);
  assert.ok(found, `TEST_EXECUTOR is ssh or awsSsm, not ${kind}`);
  return found;
}

/** Does the host's sshd answer over the network? */
export function answersSsh(host: LabHost): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: host.address, port: 22, timeout: 500 });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("data", () => end(true));
    for (const sign of ["timeout", "error", "close"]) socket.once(sign, () => end(false));
  });
}

async function linesOf(host: LabHost, script: string): Promise<string[]> {
  return (await host.must(["bash", "-c", script])).split("\n").filter(Boolean);
}

async function shell(host: LabHost, script: string): Promise<void> {
  await host.must(["bash", "-uc", script]);
}
