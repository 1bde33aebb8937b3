import { Findings } from "../finding.ts";
import { opens, passphraseIn } from "../passphrase.ts";
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
    /PULUMI_ACCESS_TOKEN|pulumi login|not logged in/i,
    "Pulumi is not logged in to a backend",
    () => "pulumi login, or set PULUMI_BACKEND_URL",
  ],
];

/** Login, backend, stack and passphrase: all that it takes to read the stack's state. */
export async function checkBackend(pulumi: Pulumi, stack: Stack): Promise<Findings> {
  const found = new Findings(stack.name);
  await Promise.all([checkState(pulumi, stack, found), checkPassphrase(stack, found)]);
  return found;
}

async function checkState(pulumi: Pulumi, { name }: Stack, found: Findings): Promise<void> {
  const ended = await pulumi.ask(["stack", "output", "--json", "--stack", name], 45);
  if (ended.code === 0) {
    found.ok("backend", "Pulumi reads the stack's state");
    return;
  }
  const words = said(ended);
  if (/passphrase/i.test(words)) return; // which has a check of its own
  const known = REFUSALS.find(([pattern]) => pattern.test(words));
  if (known === undefined)
    found.fail("backend", words, `Try it by hand: pulumi stack output --stack ${name}`);
  else found.fail("backend", known[1], known[2](name));
}

async function checkPassphrase({ encryptionSalt }: Stack, found: Findings): Promise<void> {
  if (encryptionSalt === undefined) return; // another kind of secrets provider
  const passphrase = passphraseIn(process.env);
  if (passphrase === undefined)
    found.fail(
      "passphrase",
      "the stack has one, and neither PULUMI_CONFIG_PASSPHRASE nor a file of PULUMI_CONFIG_PASSPHRASE_FILE is there",
      "Set one of them. (On a terminal, Pulumi also asks for it, at each step.)",
    );
  else if (await opens(passphrase, encryptionSalt))
    found.ok("passphrase", "it is the one of the stack");
  else
    found.fail(
      "passphrase",
      "what PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE gives is not the one of the stack",
      "Correct it.",
    );
}
