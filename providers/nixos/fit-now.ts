import type { Testimony } from "../../contract/front.ts";
import { Failure, inContext } from "../errors.ts";
import type { Reporter } from "./engine.ts";
import { examine } from "./health.ts";

/**
 * A host that is to get public traffic passes its own probes, on itself, on this very release: what its stack has
 * said may be long ago. `unmoved` says where traffic goes meanwhile.
 */
export async function requireFitNow(
  name: string,
  { examination, machineId, release, stack }: Testimony,
  unmoved: string,
  report: Reporter,
): Promise<void> {
  const again = `Run \`pulumi up --stack ${stack}\``;
  if (!examination)
    throw new Failure(
      "refused",
      `[traffic.active] ${stack} does not say how to see that ${name} is healthy. ${unmoved} ${again} with this version of the program.`,
    );
  report.progress(`is ${name} healthy?`);
  const found = await examine(examination, "traffic.active").catch((error) => {
    throw inContext(`[traffic.active] ${name} could not be seen to be healthy. ${unmoved}`, error);
  });
  const not = (what: string) =>
    new Failure("refused", `[traffic.active] ${name} ${what}. ${unmoved} ${again} first.`);
  if (machineId && found.machineId !== machineId)
    throw not(`is another machine (${found.machineId}) than ${stack} manages (${machineId})`);
  if (release?.toplevel && found.currentSystem !== release.toplevel)
    throw not(`does not run what ${stack} has put there (${found.currentSystem ?? "nothing"})`);
  if (found.reason !== null) throw not(`is not fit to be active: ${found.reason}`);
}
