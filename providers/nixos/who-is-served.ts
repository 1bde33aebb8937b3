import type { Side } from "../../contract/handover.ts";
import { releaseFacts } from "../../contract/release-facts.ts";
import type { SmokeTest } from "../../contract/smoke.ts";
import { askingFor } from "../../contract/who-answers.ts";
import { interruption } from "./interruption.ts";
import { smoke } from "./smoke.ts";

/** Why the tests do not get the answers of that host where people ask; undefined if they do. */
export async function whyNobodyGets(
  { name: host, target, said }: Side,
  tests: readonly SmokeTest[],
): Promise<string | undefined> {
  const { rev = "", toplevel } = said?.release ?? {};
  const facts = releaseFacts({ host, rev, subject: "", toplevel: toplevel ?? undefined });
  const failed = await smoke(
    tests.map((test) => askingFor({ host, target, rev }, test)),
    facts,
  );
  return failed ?? (interruption.happened ? "it was interrupted before it was proven." : undefined);
}
