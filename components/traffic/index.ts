import type { TrafficSettings } from "../../contract/traffic.ts";
import * as pulumi from "../pulumi.ts";
import { stackName } from "../taken-release.ts";

/** Where public traffic goes: to one of some hosts. A flip changes `to`, and nothing else. */
export interface Traffic extends pulumi.ComponentResource {
  readonly to: string;
}

const NAME = "traffic";

/** The one place that knows what kinds there are. Each loads the provider's SDK that it needs. */
export async function createTraffic(settings: TrafficSettings): Promise<Traffic> {
  await requireHealth(settings);
  switch (settings.kind) {
    case "route53":
      return new (await import("./route53.ts")).Route53Traffic(NAME, settings);
    case "elasticIp":
      return new (await import("./elastic-ip.ts")).ElasticIpTraffic(NAME, settings);
    case "ovhRecord":
      return new (await import("./ovh-record.ts")).OvhRecordTraffic(NAME, settings);
    case "ovhIp":
      return new (await import("./ovh-ip.ts")).OvhIpTraffic(NAME, settings);
  }
}

/** What another stack has said when it was last up: a flip to a host that is known to be ill is refused. */
async function requireHealth({ to, onlyIfHealthy }: TrafficSettings): Promise<void> {
  const stack = onlyIfHealthy[to];
  if (stack === undefined) return;
  const reference = new pulumi.StackReference(`${NAME}.${to}`, { name: stackName(stack) });
  const healthy = await reference.getOutputDetails("healthy");
  if (healthy.value === true) return;
  throw new pulumi.RunError(
    `[traffic.to] ${stack} does not say that it runs ${to} healthy. No traffic was moved. ` +
      `Run \`pulumi up --stack ${stack}\` first; to move it all the same, take ${to} out of [traffic.onlyIfHealthy].`,
  );
}

/** The target that stands for the chosen host; the settings have made sure that it is there. */
export function targetOf({ to, hosts }: TrafficSettings): string {
  return hosts[to] ?? "";
}

/** The type of a DNS record for an address. */
export function recordType(address: string): "A" | "AAAA" {
  return address.includes(":") ? "AAAA" : "A";
}
