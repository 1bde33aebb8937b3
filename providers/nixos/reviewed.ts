import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { plan, REVIEWED_PLAN } from "../../contract/plan.ts";
import type { Live } from "../../contract/resources.ts";
import { Failure } from "../errors.ts";
import { nameOf } from "./drift.ts";

/** Where only a reviewed plan may be applied: the host must still be as it was then, at the last moment. */
export function requireReviewedHost(name: string, live: Live): void {
  const file = process.env[REVIEWED_PLAN];
  if (!file) return;
  const { host } = plan.parse(JSON.parse(readFileSync(file, "utf8")));
  if (host.name !== name) return;
  const changed = [
    ...differing("runs", host.currentSystem, live.currentSystem),
    ...differing("would boot", host.profile, live.profile),
    ...(isDeepStrictEqual(host.links, live.links ?? {}) ? [] : ["its links lead elsewhere"]),
  ];
  if (changed.length === 0) return;
  throw new Failure(
    "refused",
    `${name} has changed since the plan was reviewed: ${changed.join("; ")}. It was not switched. Make a new plan, and review that.`,
    { code: "not-as-reviewed" },
  );
}

function differing(verb: string, before: string | null, now: string | null): string[] {
  return before === now ? [] : [`${verb} ${nameOf(now)}, not ${nameOf(before)}`];
}
