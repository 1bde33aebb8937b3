import type { Examination } from "../../contract/examination.ts";
import { connectionOf } from "../../contract/ways-to-host.ts";
import type { Facts } from "../facts.ts";
import { Findings } from "../finding.ts";
import type { SettledStack } from "../project.ts";
import type { Building } from "./builder.ts";

/** The signature that the host will look for, and the builder's way to it. */
export async function checkDelivery(
  facts: Facts,
  stack: SettledStack,
  release: Building,
): Promise<Findings> {
  const found = new Findings(stack.name);
  const { copy } = stack.settings;
  if (copy.via === "built-here") return found;
  const { repo, rev, signingKeyFile, builder } = release;
  const [state, { nix }] = await Promise.all([
    facts.state(stack),
    facts.examine(connectionOf(stack.settings.host)),
  ]);
  const [{ signingKey }, { reached }] = await Promise.all([
    facts.examine(builder, { repo, rev, signingKeyFile }),
    copy.via === "direct" ? facts.examine(builder, { to: copy.to }) : { reached: null },
  ]);
  const extra = copy.via === "cache" ? (copy.trustedKeys ?? []) : [];
  checkTrust(
    signingKey?.publicKey ?? null,
    { ...nix, trustedKeys: [...nix.trustedKeys, ...extra] },
    found,
  );
  if (copy.via === "direct")
    checkReach(reached, { to: copy.to, machineId: state.machineId }, found);
  return found;
}

export function checkTrust(
  publicKey: string | null,
  { requireSigs, trustedKeys }: Pick<Examination["nix"], "requireSigs" | "trustedKeys">,
  found: Findings,
): Findings {
  if (!requireSigs)
    return found.warn(
      "trust",
      "the host takes unsigned paths (require-sigs = false)",
      "Leave require-sigs alone, and sign on the builder: [release.signingKeyFile].",
    );
  if (publicKey === null) return found;
  if (trustedKeys.includes(publicKey))
    return found.ok("trust", `the host trusts ${publicKey.split(":")[0]}`);
  return found.fail(
    "trust",
    `the host does not trust the key that signs: ${publicKey}`,
    "Add it to nix.settings.trusted-public-keys of the host, and switch to that once by hand.",
  );
}

export function checkReach(
  reached: Examination["reached"],
  { to, machineId }: { readonly to: string; readonly machineId: string },
  found: Findings,
): Findings {
  if (reached?.machineId === machineId)
    return found.ok("copy", `the builder reaches the host as ${to}`);
  const fix = `On the builder, as root, make this work: ssh ${to} true`;
  if (reached === null || reached.machineId === null)
    return found.fail(
      "copy",
      `the builder does not reach ${to}: ${reached?.said || "no answer"}`,
      fix,
    );
  return found.fail(
    "copy",
    `what the builder reaches as ${to} is another machine (${reached.machineId})`,
    "Set [copy.to] to the name by which the builder reaches the host of [host.connection].",
  );
}
