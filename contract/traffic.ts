import { z } from "zod";
import { address, dnsName, instanceId, resourceName, serviceName, stackName } from "./names.ts";

const ttl = z.number().int().min(60).max(86400).default(60).describe("Seconds.");

function towards<T extends z.ZodType<string>>(target: T) {
  return {
    to: resourceName.describe("Which of the hosts gets public traffic."),
    hosts: z.record(resourceName, target).describe("The hosts that could, and where each is."),
    onlyIfHealthy: z
      .record(resourceName, stackName)
      .default({})
      .describe("By host: the stack that has to run it healthy before it gets any."),
  };
}

/** Where public traffic goes. */
export const traffic = z
  .discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("route53"),
      zoneId: z.string().regex(/^Z[A-Z0-9]{5,31}$/, "must be like Z0123456789ABCDEFGHIJ"),
      name: dnsName,
      ttl,
      takeOver: z
        .boolean()
        .default(false)
        .describe("The record is there already, and is to be ours."),
      ...towards(address),
    }),
    z.strictObject({
      kind: z.literal("elasticIp"),
      allocationId: z
        .string()
        .regex(/^eipalloc-[0-9a-f]{8,17}$/, "must be like eipalloc-0123456789abcdef0"),
      ...towards(instanceId),
    }),
    z.strictObject({
      kind: z.literal("ovhRecord"),
      zone: dnsName,
      subdomain: z
        .string()
        .regex(
          /^([a-z0-9_]([a-z0-9_.-]*[a-z0-9])?)?$/,
          "must be the part before the zone, such as os",
        )
        .default(""),
      ttl,
      recordId: z
        .string()
        .regex(/^[0-9]{1,20}$/, "must be the number of a record")
        .optional()
        .describe("The record is there already, and is to be ours."),
      ...towards(address),
    }),
    z.strictObject({
      kind: z.literal("ovhIp"),
      ip: z
        .string()
        .regex(/^[0-9a-f.:]+\/[0-9]{1,3}$/, "must be an additional IP such as 192.0.2.30/32"),
      ...towards(serviceName),
    }),
  ])
  .refine(({ to, hosts }) => Object.hasOwn(hosts, to), {
    path: ["to"],
    message: "must be one of [traffic.hosts]",
  })
  .refine(
    ({ hosts, onlyIfHealthy }) =>
      Object.keys(onlyIfHealthy).every((host) => Object.hasOwn(hosts, host)),
    { path: ["onlyIfHealthy"], message: "must name hosts of [traffic.hosts] only" },
  );
export type TrafficSettings = z.infer<typeof traffic>;
export type TrafficOf<Kind extends TrafficSettings["kind"]> = Extract<
  TrafficSettings,
  { kind: Kind }
>;
