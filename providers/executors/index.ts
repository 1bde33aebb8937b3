import {
  type Connection,
  connectionKey,
  type TwoWays,
  type Way,
} from "../../contract/connection.ts";
import { awsSsmExecutor } from "./aws-ssm.ts";
import { Either } from "./either.ts";
import type { Executor } from "./executor.ts";
import { localExecutor } from "./local.ts";
import { simulatedExecutor } from "./simulated.ts";
import { sshExecutor } from "./ssh.ts";

const executors = new Map<string, Executor>();
const choices = new Map<string, Either>();

/** The executor of a connection. Of two ways, the one that its first call takes is the one of all its calls. */
export function executorFor(connection: Connection): Executor {
  return connection.kind === "either" ? choiceOf(connection).begin() : wayFor(connection);
}

/** Why it is not the first way of a connection that is used now, if it is not. */
export function detourOf(connection: Connection): string | undefined {
  return connection.kind === "either" ? choiceOf(connection).detour : undefined;
}

/** The same way gets the same one. */
function wayFor(connection: Way): Executor {
  const key = connectionKey(connection);
  let executor = executors.get(key);
  if (executor === undefined) {
    executor = create(connection);
    executors.set(key, executor);
  }
  return executor;
}

/** From now on, this is the way to the host: for those who stand in for one. */
export function useExecutor(connection: Way, executor: Executor): void {
  executors.set(connectionKey(connection), executor);
}

const ABANDON_MILLISECONDS = 2000;

/** We are about to go: nobody waits any more for what only reads. */
export async function abandonReading(): Promise<void> {
  const abandoned = [...executors.values()].map((executor) => executor.abandon?.());
  if (!abandoned.some(Boolean)) return;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ABANDON_MILLISECONDS);
  });
  await Promise.race([Promise.allSettled(abandoned), late]);
  clearTimeout(timer);
}

export function closeExecutors(): void {
  for (const executor of executors.values()) executor.close();
  executors.clear();
  choices.clear();
}

function choiceOf(connection: TwoWays): Either {
  const key = connectionKey(connection);
  let choice = choices.get(key);
  if (choice === undefined) {
    const { primary, fallback, machineId } = connection;
    choice = new Either(wayFor(primary), wayFor(fallback), machineId);
    choices.set(key, choice);
  }
  return choice;
}

function create(connection: Way): Executor {
  switch (connection.kind) {
    case "ssh":
      return sshExecutor(connection);
    case "awsSsm":
      return awsSsmExecutor(connection);
    case "local":
      return localExecutor();
    case "simulated":
      return simulatedExecutor(connection);
  }
}
