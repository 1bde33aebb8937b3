import { z } from "zod";
import { fullRevision } from "../contract/manifest.ts";
import { EXIT, Stop } from "./exit-code.ts";
import type { Pulumi } from "./pulumi.ts";

const outputs = z.object({
  healthy: z.literal(true),
  release: z.object({ rev: fullRevision, subject: z.string() }),
});
export type Offer = z.infer<typeof outputs>["release"];

/** The release that a stack offers to others: one that it runs healthy. */
export async function offerOf(pulumi: Pulumi, stack: string): Promise<Offer> {
  const offered = outputs.safeParse(await pulumi.outputs(stack));
  if (offered.success) return offered.data.release;
  throw new Stop(
    EXIT.unhealthy,
    `${stack} offers no release that it runs healthy, so there is nothing to promote. Run: pulumi up --stack ${stack}`,
  );
}
