// A lab's SSM as programs use it: started on demand, gone with the lab.
import { spawn } from "node:child_process";
import { openSync } from "node:fs";
import { join } from "node:path";
import type { Instance } from "../instance.ts";
import { LabError, until } from "../process.ts";
import { runMark } from "../runs.ts";
import type { Registered } from "./agents.ts";
import type { Command } from "./commands.ts";
import type { FaultName, Faults } from "./faults.ts";
import { credentials, running } from "./record.ts";

export interface SsmState {
  readonly happened: Readonly<Partial<Record<FaultName, number>>>;
  readonly instances: readonly Registered[];
  readonly commands: readonly Command[];
}

/** Starts the endpoint if it does not run, and waits until every host is online. */
export async function startSsm(instance: Instance): Promise<void> {
  if (running(instance) === undefined) launch(instance);
  await new Ssm(instance).online();
}

function launch(instance: Instance): void {
  credentials(instance);
  const log = openSync(instance.path("ssm.log"), "a");
  const main = join(import.meta.dirname, "main.ts");
  const argv = ["--disable-warning=ExperimentalWarning", main, instance.name, instance.dir];
  const child = spawn(process.execPath, argv, {
    detached: true,
    stdio: ["ignore", log, log],
    env: { PATH: process.env.PATH ?? "", ...runMark(instance.dir) },
  });
  child.unref();
}

/** The controls of the endpoint. */
export class Ssm {
  readonly #instance: Instance;

  constructor(instance: Instance) {
    this.#instance = instance;
  }

  /** From now on these faults and no others; counts begin anew. */
  async inject(faults: Faults): Promise<void> {
    await this.#call("faults", faults);
  }

  state(): Promise<SsmState> {
    return this.#call("state", {}) as Promise<SsmState>;
  }

  /** Waits until the agent of every host has called, as after a boot. */
  async online(): Promise<void> {
    const ready = async () => {
      if (running(this.#instance) === undefined) return undefined;
      const { instances } = await this.state();
      return instances.every(({ online }) => online) || undefined;
    };
    if ((await until(ready, { timeout: 30_000, every: 50 })) === true) return;
    throw new LabError(
      "The lab's SSM endpoint did not bring its agents online within 30 s.",
      `See ${this.#instance.path("ssm.log")}, and on a host: systemctl status amazon-ssm-agent`,
    );
  }

  /** Stops the agent of an instance, which is offline then. */
  async stop(instanceId: string): Promise<void> {
    await this.#call("stop", { instanceId });
  }

  async resume(instanceId: string): Promise<void> {
    await this.#call("resume", { instanceId });
    await this.online();
  }

  async #call(what: string, input: object): Promise<object> {
    const record = running(this.#instance);
    if (record === undefined)
      throw new LabError(`The lab "${this.#instance.name}" has no SSM endpoint.`);
    const url = `http://127.0.0.1:${record.port}/lab/${what}`;
    const answer = await fetch(url, { method: "POST", body: JSON.stringify(input) });
    if (!answer.ok) throw new LabError(`The SSM endpoint answers ${what} with ${answer.status}.`);
    return (await answer.json()) as object;
  }
}
