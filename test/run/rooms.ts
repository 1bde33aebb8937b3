import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** A directory of test/ with tests that run in one mocha process of their own. */
export interface Room {
  readonly name: string;
  readonly about: string;
  /** Whether its tests run on lab hosts, which takes root and Debian packages. */
  readonly needsLab: boolean;
  /** For a test that sets none itself. */
  readonly timeoutMs: number;
}

/** In the order in which they run: what is quick and tells most comes first. */
export const ROOMS: readonly Room[] = [
  { name: "unit", about: "pure functions", needsLab: false, timeoutMs: 10_000 },
  { name: "program", about: "the program, with mocks", needsLab: false, timeoutMs: 20_000 },
  { name: "lab", about: "the lab itself", needsLab: true, timeoutMs: 120_000 },
  { name: "switch", about: "switch-to-configuration", needsLab: true, timeoutMs: 120_000 },
  { name: "host", about: "the scripts that run on hosts", needsLab: true, timeoutMs: 120_000 },
  { name: "e2e", about: "pulumi on lab hosts", needsLab: true, timeoutMs: 300_000 },
];

/** The room of checks that read the source and run nothing of it. */
export const STATIC = "static";

export const ROOM_NAMES: readonly string[] = [STATIC, ...ROOMS.map((room) => room.name)];

export function testFiles(root: string, room: Room): string[] {
  const directory = join(root, "test", room.name);
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.ts"))
    .sort()
    .map((file) => join("test", room.name, file));
}

/** Test files that no room runs: they would rot unseen. */
export function strayTestFiles(root: string): string[] {
  return readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.ts"))
    .filter((file) => !ROOMS.some((room) => file.startsWith(`${room.name}/`)))
    .map((file) => join("test", file));
}
