import { type Connection, connectionKey } from "../../contract/connection.ts";
import { type HostState, hostState } from "../../contract/host-state.ts";
import { call } from "../executors/executor.ts";
import { executorFor } from "../executors/index.ts";
import { namingRoute, type Route } from "./route.ts";

export interface Question {
  readonly units?: readonly string[];
  readonly paths?: readonly string[];
  /** Where the links of these names lead. */
  readonly links?: { readonly directory: string; readonly names: readonly string[] };
}

interface Waiting {
  readonly question: Question;
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
  question: Question = {},
  route: Route = "host.connection",
): Promise<HostState> {
  const key = connectionKey(connection);
  return new Promise<HostState>((resolve, reject) => {
    const batch = waiting.get(key) ?? [];
    batch.push({ question, resolve, reject });
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
export function observed(connection: Connection, question: Question): Promise<HostState> {
  const { units = [], links } = question;
  const seen = latest.get(connectionKey(connection));
  const fresh = seen !== undefined && performance.now() - seen.at < JUST_NOW_MILLISECONDS;
  const answered =
    fresh &&
    units.every((unit) => unit in seen.state.units) &&
    (links?.names ?? []).every((name) => name in (seen.state.links ?? {}));
  return answered ? Promise.resolve(seen.state) : observe(connection, question);
}

function answer(connection: Connection, batch: Waiting[]): void {
  const units = [...new Set(batch.flatMap(({ question }) => question.units ?? []))];
  const paths = [...new Set(batch.flatMap(({ question }) => question.paths ?? []))];
  // One resource of a host has links.
  const links = batch.find(({ question }) => question.links !== undefined)?.question.links;
  const asked = { units, paths, links: links && { ...links, names: [...links.names] } };
  call(executorFor(connection), "observe", asked, hostState).then(
    (state) => {
      latest.set(connectionKey(connection), { state, at: performance.now() });
      for (const asked of batch) asked.resolve(state);
    },
    (error) => {
      for (const asked of batch) asked.reject(error);
    },
  );
}
