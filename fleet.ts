import { loadConfiguration } from "./components/configuration.ts";
import { Fleet } from "./components/fleet.ts";
import * as pulumi from "./components/pulumi.ts";
import { Release } from "./components/release.ts";
import { parseFleetSettings } from "./fleet-settings.ts";

// A stack with many hosts: one release for all, which they take wave by wave.
const settings = loadConfiguration(parseFleetSettings, new pulumi.Config());

const promoted = await Release.from("release", settings.release, settings.pin);

const all = new Fleet("fleet", { ...settings, ...settings.activation, release: promoted });

/** What this stack runs. A stack that builds offers it to others, as long as all of its hosts are healthy. */
export const release = {
  id: promoted.id,
  rev: promoted.rev,
  subject: promoted.subject,
  ...(settings.release.from === "build" ? promoted.offer : {}),
};
export const pinned = settings.pin ?? null;
export const healthy = all.healthy;
export const healthySince = all.healthySince;
/** By host: what it runs, and whether that is the release and nothing drifts. */
export const hosts = all.glance;
