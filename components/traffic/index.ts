import type { Handover } from "../../contract/handover.ts";
import type { TrafficSettings } from "../../contract/traffic.ts";
import type * as pulumi from "../pulumi.ts";
import { readMembers, readSides, requireFit } from "./members.ts";

/** Where public traffic goes: to one of some hosts. A flip changes `active`, and nothing else. */
export interface Traffic extends pulumi.ComponentResource {
  /** Who really gets it, as it was last proven. */
  readonly active: pulumi.Output<string>;
}

const NAME = "traffic";

/** The one place that knows what kinds there are. Each loads the provider's SDK that it needs. */
export async function createTraffic(settings: TrafficSettings): Promise<Traffic> {
  switch (settings.kind) {
    case "route53":
      return new (await import("./route53.ts")).Route53Traffic(NAME, await handedOver(settings));
    case "elasticIp":
      return new (await import("./elastic-ip.ts")).ElasticIpTraffic(
        NAME,
        await handedOver(settings),
      );
    case "ovhRecord":
      return new (await import("./ovh-record.ts")).OvhRecordTraffic(
        NAME,
        await handedOver(settings),
      );
    case "ovhIp":
      return new (await import("./ovh-ip.ts")).OvhIpTraffic(NAME, await handedOver(settings));
    case "reverseProxy":
      // A proxy says itself who is active: the others are judged when that is to change, by our provider.
      return new (await import("./reverse-proxy.ts")).ReverseProxyTraffic(NAME, {
        ...settings,
        members: await readMembers(NAME, settings),
      });
  }
}

/** With who is to get traffic, and who has it: a flip that would be refused is refused here, so in a preview. */
async function handedOver<T extends TrafficSettings>(settings: T): Promise<T & Handover> {
  const sides = await readSides(NAME, settings);
  requireFit(settings, sides);
  return { ...settings, ...sides };
}

/** Who has public traffic, who could get it, and where the first of them is. */
export function rolesOf({ hosts }: TrafficSettings, { active }: Traffic) {
  return {
    active,
    target: active.apply((name) => hosts[name] ?? null),
    standby: active.apply((name) => Object.keys(hosts).filter((host) => host !== name)),
  };
}

/** The type of a DNS record for an address. */
export function recordType(address: string): "A" | "AAAA" {
  return address.includes(":") ? "AAAA" : "A";
}
