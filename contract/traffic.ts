import { z } from "zod";
import { way } from "./connection.ts";
import { fullRevision } from "./manifest.ts";
import { address, dnsName, instanceId, resourceName, serviceName, stackName } from "./names.ts";
import { unitName } from "./probe.ts";
import { smokeTests } from "./smoke.ts";
import { tellsHost, tellsRelease, tellsWhoAnswers } from "./who-answers.ts";

const ttl = z.number().int().min(60).max(86400).default(60).describe("Seconds.");

export const verification = smokeTests.refine(
  (tests) => tests.some(tellsWhoAnswers),
  "must hold a test that tells who answers: %host%, %target%, %rev% or %shortRev% in its body or its headers, or a command",
);

/** Of hosts that answer people themselves. Both may run the same release, so that it does not tell one from the other. */
const verificationOfHosts = smokeTests.refine(
  (tests) => tests.some(tellsHost),
  "must hold a test that tells which host answers: %host% or %target% in its body or its headers, or a command",
);

export const drainSeconds = z
  .number()
  .int()
  .min(0)
  .max(3600)
  .default(30)
  .describe("How long requests that the old active host has begun may take.");

function towards<T extends z.ZodType<string>>(target: T, verify = verificationOfHosts) {
  return {
    active: resourceName.describe("Which of the hosts gets public traffic."),
    hosts: z.record(resourceName, target).describe("The hosts that could, and where each is."),
    stacks: z
      .record(resourceName, stackName)
      .default({})
      .describe("By host: the stack that has to run it healthy before it gets any."),
    release: fullRevision
      .optional()
      .describe("The commit that the new active host has to run. Default: what the old one runs."),
    minHealthySeconds: z
      .number()
      .int()
      .min(0)
      .max(31_536_000)
      .default(0)
      .describe("For how long it must have run that healthy."),
    verify: verify.describe("What people have to see of it, asked from the operator's machine."),
    drainSeconds,
  };
}

/** Where a proxy sends requests, as Caddy has it in `to`. */
export const upstream = z
  .string()
  .max(253)
  .regex(
    /^((https?|h2c):\/\/)?([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-f:.]+\]):[0-9]{1,5}$/,
    "must be an address with its port, such as 192.0.2.10:80",
  );

/** On the proxy's host: the file that it reads who is active from, and its unit. */
export const proxyFile = z.strictObject({
  file: z
    .string()
    .max(200)
    .regex(
      /^(\/[A-Za-z0-9_@][A-Za-z0-9._@-]*){2,}$/,
      "must be an absolute path such as /var/lib/nixos-promote/traffic/active.caddy",
    )
    .default("/var/lib/nixos-promote/traffic/active.caddy")
    .describe("It is all ours; the Caddyfile imports it within `reverse_proxy`."),
  unit: unitName.default("caddy.service").describe("What reads it when it is reloaded."),
});

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
    z.strictObject({
      kind: z.literal("reverseProxy"),
      proxy: way.describe("How to reach the host of the proxy."),
      ...proxyFile.shape,
      ...towards(upstream, verification),
    }),
  ])
  .refine(({ active, hosts }) => Object.hasOwn(hosts, active), {
    path: ["active"],
    message: "must be one of [traffic.hosts]",
  })
  .refine(({ hosts, stacks }) => Object.keys(stacks).every((host) => Object.hasOwn(hosts, host)), {
    path: ["stacks"],
    message: "must name hosts of [traffic.hosts] only",
  })
  .refine(
    ({ kind, hosts, stacks }) =>
      kind !== "reverseProxy" || Object.keys(hosts).every((host) => Object.hasOwn(stacks, host)),
    { path: ["stacks"], message: "must name the stack of each of [traffic.hosts]" },
  )
  .refine(
    ({ verify, hosts, stacks }) =>
      !verify.some(tellsRelease) || Object.keys(hosts).every((host) => Object.hasOwn(stacks, host)),
    { path: ["verify"], message: "asks for a release: name the stack of each of [traffic.hosts]" },
  )
  .refine(({ hosts }) => new Set(Object.values(hosts)).size === Object.keys(hosts).length, {
    path: ["hosts"],
    message: "must be in different places",
  });
export type TrafficSettings = z.infer<typeof traffic>;
export type TrafficOf<Kind extends TrafficSettings["kind"]> = Extract<
  TrafficSettings,
  { kind: Kind }
>;
