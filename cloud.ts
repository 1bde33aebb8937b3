import { loadCloudSettings } from "./cloud-settings.ts";
import { install } from "./components/install.ts";
import { createTraffic, rolesOf } from "./components/traffic/index.ts";

// A stack without a host: what stands around hosts, and which of them gets public traffic. The SDK of a
// cloud takes most of a second to load, so that only a stack that has something there loads it.
const settings = loadCloudSettings();

export const aws =
  settings.aws && (await import("./components/aws/index.ts")).createAws(settings.aws);

export const ovh =
  settings.ovh && (await import("./components/ovh/index.ts")).createOvh(settings.ovh);

/** The hosts that were made NixOS. */
export const installed = settings.install && (await install(settings.install));

/** Who gets it, and who could. */
export const traffic =
  settings.traffic && rolesOf(settings.traffic, await createTraffic(settings.traffic));
