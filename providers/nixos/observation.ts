import { type Connection, connectionKey } from "../../contract/connection.ts";
import { type HostState, hostState } from "../../contract/host-state.ts";
import { call } from "../executors/executor.ts";
import { executorFor } from "../executors/index.ts";
import { namingRoute, type Route } from "./route.ts";

interface Waiting {
  readonly units: readonly string[];
  readonly paths: readonly string[];
  readonly resolve: (state: HostState) => void;
  readonly reject: (error: unknown) => void;
}

const GATHER_MILLISECONDS = 5;
const waiting = new Map<string, Waiting[]>();

/**
 * What a host runs now. Questions about one host that come together travel together: a refresh
 * reads every resource at once, and a round trip costs more than anything the host does for it.
 */
export function observe(
  connection: Connection,
  question: { units?: readonly string[]; paths?: readonly string[] } = {},
  route: Route = "host.connection",
): Promise<HostState> {
  const key = connectionKey(connection);
  return new Promise<HostState>((resolve, reject) => {
    const batch = waiting.get(key) ?? [];
    batch.push({ units: question.units ?? [], paths: question.paths ?? [], resolve, reject });
    if (batch.length > 1) return;
    waiting.set(key, batch);
    setTimeout(() => {
      waiting.delete(key);
      answer(connection, batch);
    }, GATHER_MILLISECONDS);
  }).catch((error) => {
    throw namingRoute(route, error);
  });
}

const latest = new Map<string, { readonly state: HostState; readonly at: number }>();
const JUST_NOW_MILLISECONDS = 10_000;

/**
 * What a host was just seen to run, for a preview: the refresh before it has looked already, and
 * nothing of ours changes a host in between.
 */
export function observed(connection: Connection, units: readonly string[]): Promise<HostState> {
  const seen = latest.get(connectionKey(connection));
  const fresh = seen !== undefined && performance.now() - seen.at < JUST_NOW_MILLISECONDS;
  if (fresh && units.every((unit) => unit in seen.state.units)) return Promise.resolve(seen.state);
  return observe(connection, { units });
}

function answer(connection: Connection, batch: Waiting[]): void {
  const units = [...new Set(batch.flatMap((asked) => asked.units))];
  const paths = [...new Set(batch.flatMap((asked) => asked.paths))];
  call(executorFor(connection), "observe", { units, paths }, hostState).then(
    (state) => {
      latest.set(connectionKey(connection), { state, at: performance.now() });
      for (const asked of batch) asked.resolve(state);
    },
    (error) => {
      for (const asked of batch) asked.reject(error);
    },
  );
}
