import { type Connection, connectionKey } from "../../contract/connection.ts";
import { awsSsmExecutor } from "./aws-ssm.ts";
import type { Executor } from "./executor.ts";
import { localExecutor } from "./local.ts";
import { sshExecutor } from "./ssh.ts";

const executors = new Map<string, Executor>();

/** The executor of a connection; the same connection gets the same one. */
export function executorFor(connection: Connection): Executor {
  const key = connectionKey(connection);
  let executor = executors.get(key);
  if (executor === undefined) {
    executor = create(connection);
    executors.set(key, executor);
  }
  return executor;
}

/** From now on, this is the way to the host: for those who stand in for one. */
export function useExecutor(connection: Connection, executor: Executor): void {
  executors.set(connectionKey(connection), executor);
}

export function closeExecutors(): void {
  for (const executor of executors.values()) executor.close();
  executors.clear();
}

function create(connection: Connection): Executor {
  switch (connection.kind) {
    case "ssh":
      return sshExecutor(connection);
    case "awsSsm":
      return awsSsmExecutor(connection);
    case "local":
      return localExecutor();
  }
}
