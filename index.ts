import { Activation } from "./components/activation.ts";
import { loadSettings } from "./components/configuration.ts";
import { Hooks } from "./components/hooks.ts";
import { Host } from "./components/host.ts";
import { Release } from "./components/release.ts";

// One stack is one host: grind builds a revision and runs it, prod takes what grind runs.
const settings = loadSettings();

const machine = new Host(settings.host.name, settings.host);

const promoted = await Release.from("release", settings.release, settings.pin);

const activation = new Activation(settings.host.name, {
  host: machine,
  release: promoted,
  copy: settings.copy,
  health: settings.health,
  smoke: settings.smoke,
  hooks: await Hooks.from(settings.hooks),
  ...settings.activation,
});

/** What this stack runs. A stack that builds offers it to others, as long as it is healthy. */
export const release = {
  id: promoted.id,
  rev: promoted.rev,
  subject: promoted.subject,
  toplevel: activation.toplevel ?? null,
  ...(settings.release.from === "build" ? promoted.offer : {}),
};
export const pinned = settings.pin ?? null;
export const healthy = activation.healthy;
export const healthySince = activation.healthySince;
export const host = activation.live;
export const drift = activation.drift;
export const pending = activation.pending;
export const health = activation.transaction.apply((last) => last?.probes ?? {});
/** For a stack that sends traffic to this host, to see for itself that it is healthy. */
export const examinable = activation.examinable;
export const previousRelease = activation.transaction.apply((last) => last?.previousSystem ?? null);
