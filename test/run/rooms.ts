import { existsSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";

/** A directory of test/ with tests that run in a mocha process of their own, or in several side by side. */
export interface Room {
  readonly name: string;
  /** Whose tests it runs, if not its own. */
  readonly directory?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Runs only when it is named. */
  readonly onDemand?: true;
  readonly about: string;
  /** Whether its tests run on lab hosts, which takes root and Debian packages. */
  readonly needsLab: boolean;
  /** It needs a browser, which is a Debian package. */
  readonly needsBrowser?: true;
  /** For a test that sets none itself. */
  readonly timeoutMs: number;
  /** Each file runs in a process of its own, so many of them side by side. Default: all in one. */
  readonly workers?: number;
}

/** Waiting is most of what a test on hosts takes, so there may be one more of them than there are cores. */
const WORKERS = Math.min(3, availableParallelism() + 1);
const ON_HOSTS = { needsLab: true, timeoutMs: 120_000, workers: WORKERS };

/** In the order in which they run: what is quick and tells most comes first. */
export const ROOMS: readonly Room[] = [
  { name: "unit", about: "pure functions", needsLab: false, timeoutMs: 10_000 },
  { name: "program", about: "the program, with mocks", needsLab: false, timeoutMs: 60_000 },
  {
    ...{ name: "report", about: "the page of a report, in a browser", needsLab: false },
    ...{ needsBrowser: true, timeoutMs: 60_000 },
  },
  { name: "nixos", about: "the NixOS modules, evaluated and on lab hosts", ...ON_HOSTS },
  { name: "lab", about: "the lab itself", needsLab: true, timeoutMs: 120_000 },
  { name: "switch", about: "switch-to-configuration", ...ON_HOSTS },
  { name: "host", about: "the scripts that run on hosts", ...ON_HOSTS },
  { name: "e2e", about: "pulumi on lab hosts", ...ON_HOSTS, timeoutMs: 300_000 },
  { name: "faults", about: "every row of docs/faults.md, on lab hosts", ...ON_HOSTS },
  {
    ...{
      name: "faults-ssm",
      about: "those rows over AWS SSM that the way matters to",
      ...ON_HOSTS,
    },
    ...{ directory: "faults", env: { TEST_EXECUTOR: "awsSsm", TEST_ROWS: "short" } },
  },
  {
    ...{ name: "faults-ssm-all", about: "all of them over AWS SSM", ...ON_HOSTS, onDemand: true },
    ...{ directory: "faults", env: { TEST_EXECUTOR: "awsSsm" } },
  },
];

/** The room of checks that read the source and run nothing of it. */
export const STATIC = "static";

export const ROOM_NAMES: readonly string[] = [STATIC, ...ROOMS.map((room) => room.name)];

/** The rooms of a run that names none. */
export const USUAL_ROOMS: readonly string[] = ROOM_NAMES.filter(
  (name) => !ROOMS.some((room) => room.name === name && room.onDemand),
);

export function testFiles(root: string, room: Room): string[] {
  const own = room.directory ?? room.name;
  const directory = join(root, "test", own);
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.ts"))
    .sort()
    .map((file) => join("test", own, file));
}

/** The files with the most tests first, so that no long one is left over at the end. */
export function longestFirst(root: string, room: Room): string[] {
  const files = testFiles(root, room).map((file) => ({ file, tests: testsIn(root, file) }));
  return files.sort((a, b) => b.tests - a.tests).map(({ file }) => file);
}

/** How many tests a file seems to have. */
function testsIn(root: string, file: string): number {
  return readFileSync(join(root, file), "utf8").match(/\b(?:it|fault)\(/g)?.length ?? 0;
}

/** Test files that no room runs: they would rot unseen. */
export function strayTestFiles(root: string): string[] {
  return readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.ts"))
    .filter((file) => !ROOMS.some((room) => file.startsWith(`${room.name}/`)))
    .map((file) => join("test", file));
}
