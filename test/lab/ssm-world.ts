// A lab with an SSM endpoint, and our executor on its prod.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { AwsSsmConnection } from "../../contract/connection.ts";
import { type Lab, type LabHost, openLab } from "../../lab/lab.ts";
import type { Faults } from "../../lab/ssm/faults.ts";
import { Failure, type FailureKind } from "../../providers/errors.ts";
import { awsSsmExecutor } from "../../providers/executors/aws-ssm.ts";
import { ssmApi } from "../../providers/executors/aws-ssm-api.ts";
import type { Executor } from "../../providers/executors/executor.ts";

const OURS = /^(AWS_|NIXOS_PROMOTE_SSH_CONFIG$)/;

export class SsmWorld {
  readonly lab: Lab;
  readonly prod: LabHost;
  readonly #environment = { ...process.env };
  readonly #executors: Executor[] = [];

  private constructor(lab: Lab) {
    this.lab = lab;
    this.prod = lab.host("prod");
  }

  static async open(): Promise<SsmWorld> {
    const options = { instance: "test-ssm", hosts: ["prod"], ssm: true };
    return new SsmWorld(await openLab({ ...options, log: console.error }));
  }

  async close(): Promise<void> {
    for (const name of Object.keys(process.env)) if (OURS.test(name)) delete process.env[name];
    Object.assign(process.env, this.#environment);
    await this.lab.close();
  }

  /** The lab's AWS and ssh configuration for this process, and nothing that goes wrong. */
  async settle(): Promise<void> {
    for (const executor of this.#executors.splice(0)) executor.close();
    for (const name of Object.keys(process.env)) if (OURS.test(name)) delete process.env[name];
    for (const [name, value] of Object.entries(this.lab.env))
      if (OURS.test(name)) process.env[name] = value;
    await this.lab.ssm.inject({});
  }

  /** In less of a hurry than SSM itself is the lab. */
  executor(how: Partial<AwsSsmConnection> = { instanceId: this.prod.instanceId }): Executor {
    const connection: AwsSsmConnection = { kind: "awsSsm", ...how };
    const patience = { appearSeconds: 3, noticeSeconds: 2 };
    const executor = awsSsmExecutor(connection, ssmApi(connection), patience);
    this.#executors.push(executor);
    return executor;
  }

  run(script: string, input = "", timeoutSeconds = 20): Promise<string> {
    return this.executor().run(script, input, { timeoutSeconds, fresh: false });
  }

  /** A script that notes each of its runs and says how many there were. */
  counted(then = ""): { script: string; runs: () => Promise<number> } {
    const file = `/run/count-${randomUUID()}`;
    return {
      script: `echo run >>${file}\n${then}\nwc -l <${file}`,
      runs: async () =>
        Number(await this.prod.must(["sh", "-c", `cat ${file} 2>/dev/null | wc -l`])),
    };
  }

  /** Asserts that a fault was not only set. */
  async happened(fault: keyof Faults, atLeast = 1): Promise<void> {
    const count = (await this.lab.ssm.state()).happened[fault] ?? 0;
    assert.ok(count >= atLeast, `${fault} happened ${count} times, not ${atLeast}`);
  }

  async commands(): Promise<number> {
    return (await this.lab.ssm.state()).commands.length;
  }

  /** Waits until the newest command runs. */
  async begun(): Promise<void> {
    await eventually(async () => {
      const { commands } = await this.lab.ssm.state();
      return commands.at(-1)?.state === "InProgress";
    });
  }

  async isRunning(commandLine: string): Promise<boolean> {
    return (await this.prod.exec(["pgrep", "-x", "-f", commandLine])).stdout !== "";
  }
}

export async function fails(
  kind: FailureKind,
  pattern: RegExp,
  attempt: Promise<unknown>,
): Promise<void> {
  const error = await attempt.then(
    (answer) => `it answered ${answer}`,
    (error: unknown) => error,
  );
  assert.ok(error instanceof Failure, `it should have failed: ${error}`);
  assert.match(error.message, pattern);
  assert.equal(error.kind, kind, error.message);
}

export async function eventually(is: () => Promise<boolean>): Promise<void> {
  const giveUp = Date.now() + 20_000;
  while (!(await is())) {
    assert.ok(Date.now() < giveUp, `not within 20 s: ${is}`);
    await sleep(50);
  }
}
