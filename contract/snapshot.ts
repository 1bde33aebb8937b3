import { z } from "zod";

/** Text, or one of the words absent and unknown. */
const word = z.string();
const list = z.union([z.array(z.string()), z.literal("unknown")]);
const file = z.object({ state: word, owner: word, mode: word });
const records = <T extends z.ZodType>(of: T) =>
  z.union([z.record(z.string(), of), z.literal("unknown")]);

/** The state of a host at one moment, as `host/snapshot.sh` sees it. It holds no secret: of secret files only whose they are. */
export const snapshot = z.object({
  version: z.literal(1),
  createdAt: z.number().int().describe("Unix seconds"),
  hostname: word,
  machineId: word,
  nixosVersion: word,
  nixVersion: word,
  kernel: word,
  generation: word.describe("Of the system profile"),
  currentSystem: word,
  bootedSystem: word,
  profile: word,
  repo: z
    .union([z.object({ path: word, head: word, dirty: word }), z.literal("unknown")])
    .nullable(),
  components: records(z.object({ link: word, path: word, sha256: word })),
  units: records(
    z.object({ active: word, sub: word, result: word, environmentFiles: z.array(z.string()) }),
  ),
  failedUnits: list,
  secrets: records(file),
  data: records(file),
  disks: records(z.object({ bytes: z.number(), free: z.number() })),
  caches: z.union([
    z.object({ substituters: list, trustedPublicKeys: list }),
    z.literal("unknown"),
  ]),
  health: records(z.object({ state: word, target: word })),
});
export type Snapshot = z.infer<typeof snapshot>;

/** What can be looked up; nothing for `unknown`. */
export function known<T>(part: Record<string, T> | "unknown"): Record<string, T> {
  return part === "unknown" ? {} : part;
}

/** `container@sandbox-live.service` is `container_sandbox_live_service`. */
export function plainName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_]/g, "_");
}
