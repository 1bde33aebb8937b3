// What Node loads first, before Pulumi's SDK (Pulumi.yaml, `nodeargs`): the provider starts and looks at the stack's
// host while the program is loaded. When its resources ask what the host runs, the provider knows already.
import "./stack-traces.ts";
import type { Probe } from "../contract/probe.ts";
import { contractUnits } from "../contract/units.ts";
import { connectionOf, type WaysToHost } from "../contract/ways-to-host.ts";
import { callEarly } from "./early-call.ts";

await lookAhead(process.argv, process.env.PULUMI_CONFIG);

/**
 * As Pulumi starts its programs: `--monitor ADDRESS`, `--project NAME`, and the configuration in the environment. What is wrong
 * with a setting or the host is for the program to say, or for its resources.
 */
export async function lookAhead(
  argv: readonly string[],
  config: string | undefined,
  call = callEarly,
): Promise<void> {
  const monitor = /^[0-9.]+:[0-9]+$/.exec(after(argv, "--monitor"))?.[0];
  if (monitor === undefined || config === undefined) return;
  try {
    const given = JSON.parse(config) as Record<string, string>;
    const setting = (name: string) => {
      const project = after(argv, "--project");
      return JSON.parse(given[`${project}:config:${name}`] ?? given[`${project}:${name}`] ?? "");
    };
    // Not checked, as this is here to be first: the provider checks whatever it is asked.
    const connection = connectionOf(setting("host") as WaysToHost);
    const units = contractUnits(setting("health") as Probe[]);
    await call(monitor, "nixos:index:getHost", JSON.parse(JSON.stringify({ connection, units })));
  } catch {}
}

function after(argv: readonly string[], option: string): string {
  const at = argv.indexOf(option);
  return at < 0 ? "" : (argv[at + 1] ?? "");
}
