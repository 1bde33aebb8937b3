import { z } from "zod";
import { connectionOf } from "../../contract/ways-to-host.ts";
import { type CacheCheck, checkSystem } from "../../providers/nixos/cache-check.ts";
import type { Source } from "../../providers/nixos/sources.ts";
import type { Facts } from "../facts.ts";
import { Findings } from "../finding.ts";
import { pastOf, readLedger } from "../ledger.ts";
import type { SettledStack } from "../project.ts";
import type { Building } from "./builder.ts";

const hosts = z.object({ hosts: z.record(z.string(), z.object({ path: z.string() })) });

/** Can each cache be reached from the host, does it have what would be promoted, and with a signature that counts? */
export async function checkCaches(
  facts: Facts,
  stack: SettledStack,
  release: Building,
): Promise<Findings> {
  const found = new Findings(stack.name);
  const { copy, host } = stack.settings;
  if (copy.via !== "cache") return found;
  const toplevel = await offeredSystem(facts, stack);
  if (toplevel === undefined)
    return found.warn(
      "caches",
      "nothing has been built yet that they could be asked for",
      "Build a release first, then: promote cache-check",
    );
  const { timeoutSeconds: _seconds, ...settings } = copy;
  const check = await checkSystem(
    { ...settings, builder: release.builder },
    connectionOf(host),
    toplevel,
  );
  return tell(check, copy.check === "fail", found);
}

/** The system that the stack which builds has for this host: its own host keeps the manifest of what it runs. */
async function offeredSystem(facts: Facts, stack: SettledStack): Promise<string | undefined> {
  const source = facts.buildingStack(stack);
  if (source === undefined) return undefined;
  const [now] = pastOf(await readLedger(source));
  if (now === undefined) return undefined;
  const { manifest } = await readLedger(source, { limit: 1, toplevel: now.toplevel });
  if (manifest === null) return undefined;
  return hosts.parse(JSON.parse(manifest)).hosts[stack.settings.host.name]?.path;
}

export function tell(
  { sources, problems }: CacheCheck,
  strict: boolean,
  found: Findings,
): Findings {
  for (const source of sources.filter(({ from }) => from !== null))
    found.ok("caches", sentenceOf(source));
  const advice = "See docs/caches.md, What goes wrong.";
  for (const problem of problems)
    if (strict || sources.some(({ from }) => from === null)) found.fail("caches", problem, advice);
    else found.warn("caches", problem, advice);
  return found;
}

function sentenceOf({ from, paths, filled }: Source): string {
  const count = `${paths} ${paths === 1 ? "path" : "paths"}`;
  return filled
    ? `${count} come from ${from}, which the builder fills first`
    : `${count} come from ${from}`;
}
