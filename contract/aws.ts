import { z } from "zod";
import { instanceId, resourceName } from "./names.ts";

const id = (kind: string) =>
  z
    .string()
    .regex(
      new RegExp(`^${kind}-[0-9a-f]{8}([0-9a-f]{9})?$`),
      `must be like ${kind}-0123456789abcdef0`,
    );
const formerly = resourceName.optional().describe("Its name before, if that was changed.");

const adopted = z
  .strictObject({
    from: z.literal("adopt"),
    formerly,
    instanceId: instanceId.optional(),
    tag: z.record(z.string().min(1).max(128), z.string().min(1).max(256)).optional(),
    role: z
      .string()
      .regex(/^[\w+=,.@-]{1,64}$/, "must be the name of a role")
      .optional()
      .describe("The instance's role, which gets what it needs. Default: it is left as it is."),
  })
  .refine(
    (host) => (host.instanceId === undefined) !== (host.tag === undefined),
    "must name the instance either by instanceId or by tag",
  );

const created = z.strictObject({
  from: z.literal("create"),
  formerly,
  ami: id("ami"),
  instanceType: z.string().regex(/^[a-z0-9-]+\.[a-z0-9-]+$/, "must be like m7a.large"),
  vpcId: id("vpc"),
  subnetId: id("subnet"),
  diskGiB: z.number().int().min(8).max(16384).default(40),
  inbound: z
    .array(
      z.strictObject({
        port: z.number().int().min(1).max(65535),
        from: z.union([z.cidrv4(), z.cidrv6()], "must be a network such as 192.0.2.0/24"),
      }),
    )
    .max(50)
    .default([])
    .describe("What may come in. Default: nothing, ssh neither."),
});

/** What of AWS stands around the hosts. */
export const aws = z.strictObject({
  region: z.string().regex(/^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$/, "must be like eu-central-1"),
  account: z
    .string()
    .regex(/^[0-9]{12}$/, "must be the 12 digits of an account, in quotation marks")
    .describe("With credentials of any other account, nothing is done."),
  hosts: z.record(resourceName, z.discriminatedUnion("from", [adopted, created])).default({}),
  document: z
    .strictObject({
      name: z
        .string()
        .regex(/^[A-Za-z0-9_.-]{3,128}$/, "must be a name of 3 to 128 letters, digits, and _.-"),
    })
    .optional()
    .describe("An SSM document of our own."),
  cache: z
    .strictObject({
      bucket: z
        .string()
        .regex(/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/, "must be the name of a bucket, without dots"),
      noncurrentDays: z.number().int().min(1).max(3650).default(90),
    })
    .optional()
    .describe("A binary cache in S3."),
  builderRole: z
    .string()
    .regex(/^[\w+=,.@-]{1,64}$/, "must be the name of a role")
    .optional()
    .describe("The builder's role, which may push to the cache. Default: attached to none."),
  github: z
    .strictObject({
      repository: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,38}\/[A-Za-z0-9._-]{1,100}$/, "must be owner/name"),
      environment: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/, "must be an environment of the repository"),
      createProvider: z
        .boolean()
        .default(false)
        .describe("Make the account's provider of GitHub's tokens; it has one at most."),
    })
    .optional()
    .describe("A role for the jobs of one environment of one repository."),
});
export type AwsSettings = z.infer<typeof aws>;
