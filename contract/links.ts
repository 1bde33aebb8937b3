import { z } from "zod";
import { unitName } from "./probe.ts";
import { storePath } from "./store-path.ts";

/*
 * Links in a directory outside the store that lead to programs of a release, for units that run
 * from there.
 */

export const linkName = z
  .string()
  .regex(
    /^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$/,
    "must be a plain file name such as hypervisor, without a slash",
  );

export const linkDirectory = z
  .string()
  .max(1024)
  .regex(
    /^(\/(?!\.{1,2}(\/|$))[^/\p{Cc}]+)+$/u,
    "must be an absolute path such as /opt/choiros/bin",
  );

/** Path of a file below a store path. */
export const fileBelow = z
  .string()
  .max(1024)
  .regex(
    /^(?!\.{1,2}(\/|$))[^/\p{Cc}]+(\/(?!\.{1,2}(\/|$))[^/\p{Cc}]+)*$/u,
    "must be a path below the component such as bin/hypervisor",
  );

const target = z.string().refine((path) => {
  const [component = "", file = ""] = splitTarget(path);
  return storePath.safeParse(component).success && fileBelow.safeParse(file).success;
}, "must be a file below a store path");

/** As the host gets them. */
export const links = z.strictObject({
  directory: linkDirectory,
  files: z
    .record(linkName, target)
    .refine((files) => Object.keys(files).length > 0, "must name at least one link"),
  components: z.array(storePath).describe("What the release ships; targets lie below one of them"),
  restart: z.array(unitName).max(100).describe("Units that run from the links"),
});
export type Links = z.infer<typeof links>;

/** Store path and the rest of a target. */
function splitTarget(path: string): [string, string] {
  const at = path.indexOf("/", "/nix/store/".length);
  return at < 0 ? [path, ""] : [path.slice(0, at), path.slice(at + 1)];
}

/** Where the links are, to be asked where they lead. */
export function placeOf({
  directory,
  files,
}: {
  readonly directory: string;
  readonly files: object;
}): { directory: string; names: string[] } {
  return { directory, names: Object.keys(files) };
}
