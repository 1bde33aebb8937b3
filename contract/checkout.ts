import { z } from "zod";

/** A checkout on the host itself, from which the host builds its system. */
export const checkout = z.strictObject({
  directory: z
    .string()
    .max(1024)
    .regex(
      // It becomes part of a flake reference, in which other characters mean something.
      /^(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._+-]+)+$/,
      "must be an absolute path of letters, digits, '.', '_', '+' and '-', such as /opt/choiros/workspace",
    )
    .describe("A git checkout on the host, with an origin."),
  name: z
    .string()
    .regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$/, "must be a plain name such as choiros-prod")
    .describe("nixosConfigurations.<name>"),
});
