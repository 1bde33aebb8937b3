import type * as pulumi from "./pulumi.ts";

/** A component that is called otherwise now is the same, and so is all that it holds. */
export function formerName(name: string | undefined): pulumi.ComponentResourceOptions {
  return name === undefined ? {} : { aliases: [{ name }] };
}
