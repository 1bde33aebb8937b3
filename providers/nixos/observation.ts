import { type Connection, connectionKey } from "../../contract/connection.ts";
import { type HostState, hostState } from "../../contract/host-state.ts";
import { call } from "../executors/executor.ts";
import { executorFor } from "../executors/index.ts";
import { namingRoute, type Route } from "./route.ts";
import { turns } from "./turns.ts";

export interface Question {
  readonly units?: readonly string[];
  readonly paths?: readonly string[];
  /** Where the links of these names lead. */
  readonly links?: LinkQuestion | undefined;
}

interface LinkQuestion {
  readonly directory: string;
  readonly names: readonly string[];
}

interface Batch {
  readonly units: Set<string>;
  readonly paths: Set<string>;
  /** One resource of a host has links. */
  links: LinkQuestion | undefined;
  readonly answer: Promise<HostState>;
}

const GATHER_MILLISECONDS = 5;
/** Units that have been asked for come with every answer: who asks about them next need not ask again. */
const knownUnits = new Map<string, Set<string>>();
/** Of a fleet, all are looked at side by side, and this machine is not flooded. */
const inTurn = turns(64);
const gathering = new Map<string, Batch>();

/**
 * What a host runs now. Questions about one host that come together travel together: a refresh
 * reads every resource at once, and a round trip costs more than anything the host does for it.
 */
export function observe(
  connection: Connection,
  { units = [], paths = [], links }: Question = {},
  route: Route = "host.connection",
): Promise<HostState> {
  const key = connectionKey(connection);
  const batch = gathering.get(key) ?? begin(key, connection);
  for (const unit of units) batch.units.add(unit);
  for (const path of paths) batch.paths.add(path);
  batch.links ??= links;
  return named(route, batch.answer);
}

interface Glance {
  readonly answer: Promise<HostState>;
  readonly at: number;
  /** Paths or roots have come or gone since. */
  storeChanged: boolean;
}

const latest = new Map<string, Glance>();
const JUST_NOW_MILLISECONDS = 10_000;

/**
 * What a host was just seen to run, if nothing of ours has changed it since: a preview and an
 * update ask several times within moments, and look once.
 */
export async function observed(
  connection: Connection,
  question: Question = {},
  route: Route = "host.connection",
): Promise<HostState> {
  const last = latest.get(connectionKey(connection));
  if (last !== undefined && performance.now() - last.at < JUST_NOW_MILLISECONDS) {
    const state = await named(route, last.answer);
    if (answers(state, question) && !(last.storeChanged && question.paths !== undefined))
      return state;
  }
  return observe(connection, question, route);
}

/** From now on, a host is looked at again, or all are: something is done to them. */
export function forgetObservations(connection?: Connection): void {
  if (connection === undefined) latest.clear();
  else latest.delete(connectionKey(connection));
}

/** The same for what is asked about paths: something is done to a store, and nothing else. */
export function forgetStores(connection?: Connection): void {
  const of =
    connection === undefined ? [...latest.values()] : [latest.get(connectionKey(connection))];
  for (const glance of of) if (glance !== undefined) glance.storeChanged = true;
}

function answers(state: HostState, { units = [], paths = [], links }: Question): boolean {
  return (
    units.every((unit) => unit in state.units) &&
    paths.every((path) => path in state.paths) &&
    (links?.names ?? []).every((name) => name in (state.links ?? {}))
  );
}

function begin(key: string, connection: Connection): Batch {
  const gathered = new Promise<void>((done) => setTimeout(done, GATHER_MILLISECONDS));
  const answer = gathered.then(() => {
    gathering.delete(key);
    const { units, paths, links } = batch;
    const asked = links && { directory: links.directory, names: [...links.names] };
    const question = { units: [...units], paths: [...paths], links: asked };
    return inTurn(() =>
      call(executorFor(connection), "observe", question, hostState, { endsWithUs: true }),
    );
  });
  const units = knownUnits.get(key) ?? new Set();
  knownUnits.set(key, units);
  const batch: Batch = { units, paths: new Set(), links: undefined, answer };
  gathering.set(key, batch);
  const glance = { answer, at: performance.now(), storeChanged: false };
  latest.set(key, glance);
  // What failed is asked again, by all who have not waited for it.
  answer.catch(() => {
    if (latest.get(key) === glance) latest.delete(key);
  });
  return batch;
}

function named<T>(route: Route, answer: Promise<T>): Promise<T> {
  return answer.catch((error) => {
    throw namingRoute(route, error);
  });
}
