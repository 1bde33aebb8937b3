import { z } from "zod";
import { name } from "./manifest.ts";

const directory = z
  .string()
  .max(1024)
  .regex(
    /^(?!.*\/\.{1,2}(\/|$))(\/[^/\p{Cc}]+)+$/u,
    "must be an absolute path without '.', '..' and double slashes",
  );

/** Data of a host that no release brings back. */
export const data = z.strictObject({
  directories: z.array(directory).min(1, "must name at least one directory").max(20),
  backup: z
    .enum(["always", "schema", "never"])
    .default("schema")
    .describe("Before every activation; before one of a release that changes a schema; never."),
  components: z
    .array(name)
    .min(1)
    .max(20)
    .optional()
    .describe("Of the release: one that is another than before changes a schema"),
  keepBackups: z.number().int().min(1).max(1000).default(3),
  timeoutSeconds: z.number().int().min(1).max(86400).default(600),
});
export type Data = z.infer<typeof data>;
