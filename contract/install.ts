import { z } from "zod";
import { hookTarget } from "./hooks.ts";
import { resourceName } from "./names.ts";

const word = (what: string) =>
  z
    .string()
    .max(1024)
    .regex(/^[^\s\p{Cc}-][^\s\p{Cc}]*$/u, what);

/** A machine with another Linux that becomes NixOS. All that is on its disks is lost. */
const installation = z.strictObject({
  target: hookTarget.describe("The Linux that runs there now."),
  flake: word("must be a flake such as github:example/choiros/9ace77e")
    .refine(
      (flake) => !flake.includes("#"),
      "must not name a configuration: that is its own setting",
    )
    .describe("With disko's layout of the disks in it."),
  configuration: resourceName
    .optional()
    .describe("Its nixosConfigurations.<…>. Default: the host's name."),
  erase: z.string().describe("The host's name once more: its disks are erased."),
  installer: word("must be a flake")
    .default("github:nix-community/nixos-anywhere/1.13.0")
    .describe("A pinned nixos-anywhere."),
  timeoutSeconds: z.number().int().min(60).max(86400).default(3600),
});
export type Installation = z.infer<typeof installation>;

export const install = z.record(resourceName, installation).superRefine((hosts, context) => {
  for (const [name, { erase }] of Object.entries(hosts))
    if (erase !== name)
      context.addIssue({
        ...{ code: "custom", path: [name, "erase"] },
        message: `must be ${name}: all that is on the disks of that machine is lost`,
      });
});
