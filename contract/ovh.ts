import { z } from "zod";
import { resourceName, serviceName } from "./names.ts";

const formerly = resourceName.optional().describe("Its name before, if that was changed.");

/** A server of OVH, which is rented already. */
const ovhServer = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("dedicated"),
    serviceName,
    formerly,
    monitoring: z
      .boolean()
      .optional()
      .describe(
        "OVH's own. While it is on, a server that does not answer a ping is intervened on.",
      ),
    boot: z
      .enum(["harddisk", "rescue"])
      .optional()
      .describe("What it boots the next time. Default: as it is."),
    reboot: z
      .string()
      .regex(/^[A-Za-z0-9 .:-]{1,64}$/, "must be a short text, such as a date")
      .optional()
      .describe("A text; a new one reboots it, hard."),
  }),
  z.strictObject({ kind: z.literal("vps"), serviceName, formerly }),
]);
export type OvhServer = z.infer<typeof ovhServer>;

export const ovh = z.strictObject({
  servers: z
    .record(resourceName, ovhServer)
    .refine((servers) => Object.keys(servers).length > 0, "must name at least one server"),
});
export type OvhSettings = z.infer<typeof ovh>;
