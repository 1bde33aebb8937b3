import { z } from "zod";

const PARAMETER =
  "(region|endpoint|profile|scheme|compression|compression-level)=[A-Za-z0-9._:/-]*";

/**
 * Of the parameters that Nix knows in such a URL, those that say where and in which form. Others would turn the check of
 * signatures off (`trusted`) or name a secret key; so would a password before the host be in the state. Nix takes a list of
 * URLs apart at blanks.
 */
const storeUrl = z
  .string()
  .max(1000)
  .regex(
    /^(https?:\/\/[A-Za-z0-9[]|file:\/\/\/|s3:\/\/[A-Za-z0-9])[A-Za-z0-9._~:/%+[\]-]*(\?|$)/,
    "must be a URL such as https://cache.example.com, file:///srv/cache or s3://bucket?region=eu-west-1, without a password",
  )
  .regex(
    new RegExp(`^[^?]*(\\?${PARAMETER}(&${PARAMETER})*)?$`),
    "must have no parameters but region, endpoint, profile, scheme, compression and compression-level",
  );

const cachixUrl = z
  .string()
  .regex(/^cachix:\/\/[a-z0-9][a-z0-9-]{0,62}$/, "must name a cache of Cachix: cachix://NAME");

/** One of the two by how it begins, so that a mistake is said in its own words. */
const pushUrl = z.string().superRefine((url, context) => {
  const { error } = (isCachix(url) ? cachixUrl : storeUrl).safeParse(url);
  for (const { message } of error?.issues ?? []) context.addIssue({ code: "custom", message });
});

/** A binary cache of Nix: hosts pull from it, the builder pushes to it. */
export const cache = z
  .strictObject({
    pull: storeUrl.describe("Where the host finds it."),
    push: pushUrl.optional().describe("Where the builder finds it. Default: nothing is pushed."),
    tokenFile: z
      .string()
      .max(1000)
      .regex(/^\/[^\p{Cc}]*$/u, "must be an absolute path on the builder")
      .optional()
      .describe("On the builder: what lets it push to Cachix."),
  })
  .refine(({ push, tokenFile }) => isCachix(push) === (tokenFile !== undefined), {
    path: ["tokenFile"],
    message: "must be given where push is cachix://NAME, and only there",
  });
export type Cache = z.infer<typeof cache>;

export function isCachix(push: string | undefined): boolean {
  return push?.startsWith("cachix:") === true;
}

export const publicKey = z
  .string()
  .regex(
    /^[A-Za-z0-9._-]{1,100}:[A-Za-z0-9+/]{43}=$/,
    "must be a public key such as name-1:BASE64=",
  );
