import { z } from "zod";
import { fleet, membersOf, only, strangers } from "./contract/fleet.ts";
import { probes } from "./contract/probe.ts";
import { smokeTests } from "./contract/smoke.ts";
import {
  activation,
  copy,
  PIN_MISTAKE,
  parseAll,
  pin,
  pinFits,
  release,
  releaseHosts,
} from "./settings.ts";

const [builtHere, direct, relay, cache] = copy.options;
const inFlight = {
  maxInFlight: z.number().int().min(1).max(1000).default(4).describe("Copies at the same time."),
};
const copyOfFleet = z.discriminatedUnion("via", [
  builtHere.extend(inFlight),
  direct.omit({ to: true }).extend(inFlight),
  relay.extend(inFlight),
  cache.extend(inFlight),
]);

const [build, fromStack, fromManifest] = release.options;
const releaseOfFleet = z.discriminatedUnion("from", [
  build.extend({ hosts: releaseHosts.optional() }),
  fromStack,
  fromManifest,
]);

/** The configuration of a stack with many hosts. */
export const fleetSettings = z
  .strictObject({
    fleet,
    only: only.optional().describe("The others are left alone, and not looked at."),
    release: releaseOfFleet,
    pin: pin.optional(),
    copy: copyOfFleet,
    activation: activation.prefault({}),
    health: probes,
    smoke: smokeTests.optional(),
  })
  .refine(pinFits, PIN_MISTAKE)
  .superRefine(({ fleet: given, only: chosen, copy: { via } }, context) => {
    const members = membersOf(given);
    for (const path of strangers(chosen ?? {}, members))
      context.addIssue({
        code: "custom",
        path: ["only", ...path],
        message: "no host of [fleet.hosts] is so",
      });
    if (via === "direct")
      for (const { name, address } of Object.values(members))
        if (address === undefined)
          context.addIssue({
            code: "custom",
            path: ["fleet", "hosts", name, "address"],
            message: "must be given where [copy.via] is direct and the connection is not ssh",
          });
  })
  .transform((given) => ({
    ...given,
    release:
      given.release.from === "build"
        ? { ...given.release, hosts: given.release.hosts ?? configurationsOf(given.fleet) }
        : given.release,
  }));
export type FleetStackSettings = z.infer<typeof fleetSettings>;

function configurationsOf(given: z.infer<typeof fleet>): string[] {
  return [
    ...new Set(Object.values(membersOf(given)).map(({ configuration }) => configuration)),
  ].sort();
}

export function parseFleetSettings(
  raw: Record<string, unknown>,
  project = "choiros",
): FleetStackSettings {
  return parseAll(fleetSettings, raw, project);
}
