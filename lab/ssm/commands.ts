// Commands as SSM keeps them, one invocation each.
import { randomUUID } from "node:crypto";
import type { Document, Script } from "./documents.ts";
import type { Faults } from "./faults.ts";

export type State =
  | "Pending"
  | "InProgress"
  | "Cancelling"
  | "Success"
  | "Failed"
  | "TimedOut"
  | "Cancelled";

/** What an agent reports of a script that has ended. */
export interface Report {
  readonly id: string;
  readonly details: "Success" | "Failed" | "ExecutionTimedOut" | "Cancelled";
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Command {
  readonly id: string;
  readonly instanceId: string;
  readonly document: Document;
  readonly script: Script;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly comment: string;
  readonly requestedAt: number;
  /** Not begun by then: never. */
  readonly deliverBy: number;
  readonly lost: NonNullable<Faults["lose"]>["how"] | undefined;
  state: State;
  details: string;
  code: number;
  stdout: string;
  stderr: string;
  endedAt: number | undefined;
  /** How often an agent was given it. */
  deliveries: number;
  /** How many of those have ended. */
  reports: number;
}

/** SSM shows a command a moment after it took it, and agents get it a moment after that. */
const VISIBLE_AFTER_MS = 350;
const DELIVERED_AFTER_MS = 150;
/** SSM's shortest delivery timeout is half a minute, which a test does not wait for. */
const HURRIED_MS = 3_000;

export class Commands {
  readonly #all = new Map<string, Command>();

  add(
    about: Pick<Command, "instanceId" | "document" | "script" | "parameters" | "comment" | "lost">,
    deliverySeconds: number,
  ): Command {
    const now = Date.now();
    const command: Command = {
      ...about,
      id: randomUUID(),
      requestedAt: now,
      deliverBy: now + (about.lost === "undelivered" ? HURRIED_MS : deliverySeconds * 1000),
      ...{ state: "Pending", details: "Pending", code: -1, stdout: "", stderr: "" },
      ...{ endedAt: undefined, deliveries: 0, reports: 0 },
    };
    this.#all.set(command.id, command);
    return command;
  }

  get(id: string): Command | undefined {
    return this.#all.get(id);
  }

  list(): Command[] {
    return [...this.#all.values()];
  }

  /** As an API call sees it; undefined as long as it does not. */
  visible(id: string): Command | undefined {
    const command = this.#all.get(id);
    if (command === undefined || command.lost === "vanish") return undefined;
    if (Date.now() < command.requestedAt + VISIBLE_AFTER_MS) return undefined;
    expire(command);
    return command;
  }

  /** What the instance's agent is to run now. */
  due(instanceId: string): Command[] {
    return this.list().filter((command) => {
      expire(command);
      return (
        command.instanceId === instanceId &&
        command.state === "Pending" &&
        command.lost !== "vanish" &&
        command.lost !== "undelivered" &&
        Date.now() >= command.requestedAt + DELIVERED_AFTER_MS
      );
    });
  }

  begin(id: string): void {
    const command = this.#all.get(id);
    if (command?.state === "Pending") command.state = command.details = "InProgress";
  }

  /** The first report counts. */
  end({ id, details, code, stdout, stderr }: Report): void {
    const command = this.#all.get(id);
    if (command === undefined) return;
    command.reports += 1;
    if (command.endedAt !== undefined || command.lost === "stuck") return;
    const state = details === "ExecutionTimedOut" ? "TimedOut" : details;
    Object.assign(command, { state, details, code, stdout, stderr, endedAt: Date.now() });
  }

  cancel(command: Command): void {
    if (command.endedAt !== undefined) return;
    if (command.state === "Pending")
      Object.assign(command, { state: "Cancelled", details: "Cancelled", endedAt: Date.now() });
    else command.state = command.details = "Cancelling";
  }
}

function expire(command: Command): void {
  if (command.state !== "Pending" || Date.now() < command.deliverBy) return;
  Object.assign(command, {
    ...{ state: "TimedOut", details: "DeliveryTimedOut", endedAt: Date.now() },
  });
}
