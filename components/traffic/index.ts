import type { TrafficSettings } from "../../contract/traffic.ts";
import type * as pulumi from "../pulumi.ts";
import { readMembers, requireFit } from "./members.ts";

/** Where public traffic goes: to one of some hosts. A flip changes `active`, and nothing else. */
export interface Traffic extends pulumi.ComponentResource {
  readonly active: pulumi.Output<string>;
}

const NAME = "traffic";

/** The one place that knows what kinds there are. Each loads the provider's SDK that it needs. */
export async function createTraffic(settings: TrafficSettings): Promise<Traffic> {
  const { kind, active, hosts } = settings;
  const asked = kind === "reverseProxy" ? Object.keys(hosts) : [active];
  const members = await readMembers(NAME, settings, asked);
  // A proxy says itself who is active: the others are judged when that is to change, and only then.
  if (kind !== "reverseProxy") requireFit(settings, members[active]);
  switch (settings.kind) {
    case "route53":
      return new (await import("./route53.ts")).Route53Traffic(NAME, settings);
    case "elasticIp":
      return new (await import("./elastic-ip.ts")).ElasticIpTraffic(NAME, settings);
    case "ovhRecord":
      return new (await import("./ovh-record.ts")).OvhRecordTraffic(NAME, settings);
    case "ovhIp":
      return new (await import("./ovh-ip.ts")).OvhIpTraffic(NAME, settings);
    case "reverseProxy":
      return new (await import("./reverse-proxy.ts")).ReverseProxyTraffic(NAME, {
        ...settings,
        members,
      });
  }
}

/** Who has public traffic, and who could get it. */
export function rolesOf({ hosts }: TrafficSettings, { active }: Traffic) {
  return {
    active,
    standby: active.apply((name) => Object.keys(hosts).filter((host) => host !== name)),
  };
}

/** The target that stands for the chosen host; the settings have made sure that it is there. */
export function targetOf({ active, hosts }: TrafficSettings): string {
  return hosts[active] ?? "";
}

/** The type of a DNS record for an address. */
export function recordType(address: string): "A" | "AAAA" {
  return address.includes(":") ? "AAAA" : "A";
}
