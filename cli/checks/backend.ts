import { Findings } from "../finding.ts";
import type { Stack } from "../project.ts";
import { type Pulumi, said } from "../pulumi.ts";

/** What Pulumi's refusals mean, and what helps. */
const REFUSALS: readonly (readonly [RegExp, string, (stack: string) => string])[] = [
  [
    /no stack named|stack .* not found|failed to find stack/i,
    "there is no such stack in the backend",
    (stack) => `pulumi stack init ${stack}`,
  ],
  [
    /incorrect passphrase/i,
    "the passphrase is not the one of the stack",
    () => "Correct PULUMI_CONFIG_PASSPHRASE, or the file of PULUMI_CONFIG_PASSPHRASE_FILE.",
  ],
  [
    /passphrase must be set/i,
    "Pulumi has no passphrase for the stack",
    () => "Set PULUMI_CONFIG_PASSPHRASE, or PULUMI_CONFIG_PASSPHRASE_FILE.",
  ],
  [
    /PULUMI_ACCESS_TOKEN|pulumi login|not logged in/i,
    "Pulumi is not logged in to a backend",
    () => "pulumi login, or set PULUMI_BACKEND_URL",
  ],
];

/** Login, backend, stack and passphrase: all that it takes to read the stack's state. */
export async function checkBackend(pulumi: Pulumi, { name }: Stack): Promise<Findings> {
  const found = new Findings(name);
  const ended = await pulumi.ask(["stack", "output", "--json", "--stack", name], 45);
  if (ended.code === 0) {
    found.ok("backend", "Pulumi reads the stack's state");
    return found;
  }
  const words = said(ended);
  const known = REFUSALS.find(([pattern]) => pattern.test(words));
  if (known === undefined)
    found.fail("backend", words, "Try it by hand: pulumi stack output --stack NAME");
  else found.fail("backend", known[1], known[2](name));
  return found;
}
