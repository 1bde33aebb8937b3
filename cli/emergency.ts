import { Goal } from "../contract/goal.ts";
import type { SystemProfileInputs } from "../contract/resources.ts";
import type { Verdict } from "../contract/verdict.ts";
import { connectionOf } from "../contract/ways-to-host.ts";
import { liveOf } from "../providers/nixos/drift.ts";
import { interruption } from "../providers/nixos/interruption.ts";
import { observe } from "../providers/nixos/observation.ts";
import { reasonsOf } from "../providers/nixos/reasons.ts";
import { activate } from "../providers/nixos/transaction.ts";
import { workAlone } from "./alone.ts";
import { requireHealthy } from "./carry-out.ts";
import { EXIT, type ExitCode, Stop } from "./exit-code.ts";
import { type Past, readLedger } from "./ledger.ts";
import type { Output } from "./output.ts";
import { describePin, writePin } from "./pin.ts";
import { pinFor } from "./pin-for.ts";
import type { Project, SettledStack } from "./project.ts";
import { requireYes } from "./question.ts";
import { plain } from "./text.ts";

export interface Emergency {
  readonly project: Project;
  readonly stack: SettledStack;
  readonly past: Past;
  readonly output: Output;
  readonly yes: boolean;
}

/** The way back without Pulumi: the host is asked for the same transaction that `pulumi up` asks it for. */
export async function rollBackAlone(emergency: Emergency): Promise<ExitCode> {
  const { stack, past, output, yes } = emergency;
  const { host } = stack.settings;
  requireWholeSystem(emergency);
  const { currentSystem } = await observe(connectionOf(host));
  if (currentSystem === past.toplevel) {
    output.say(`${host.name} runs it already.`);
    output.document({ stack: stack.name, to: past, outcome: "nothing to do" });
    return EXIT.done;
  }
  await requireYes(`Do this on ${host.name}, past Pulumi and without a preview?`, {
    ...{ yes, output },
    instead: `To do it: promote rollback --stack ${stack.name} --to ${past.rev.slice(0, 12)} --emergency --yes`,
  });
  const wanted = await wantedOf(stack, past);
  const said = await followed(wanted, currentSystem, emergency);
  if (said.outcome !== Goal.of(wanted.mode).success) await refuse(wanted, said);
  const pin = await pinned(emergency);
  const sight = await requireHealthy(stack, output);
  output.document({ stack: stack.name, to: past, outcome: "rolled back", pin: pin ?? null, sight });
  return EXIT.done;
}

function requireWholeSystem({ stack: { settings }, past }: Emergency): void {
  if (settings.activation.links !== undefined)
    throw new Stop(
      EXIT.failed,
      "--emergency takes whole systems only, and this stack has [activation.links]. Nothing was changed. Roll back without it.",
    );
  if (past.valid === false)
    throw new Stop(
      EXIT.failed,
      `The system of ${past.rev.slice(0, 12)} is no longer in the store of ${settings.host.name}, and --emergency copies nothing. ` +
        "Nothing was changed. See promote history for one that is, or roll back without --emergency.",
    );
}

/** What `pulumi up` would ask for. A host in trouble is not the one to only test or boot something. */
async function wantedOf(stack: SettledStack, past: Past): Promise<SystemProfileInputs> {
  const { host, health, activation } = stack.settings;
  const { unitFailures, confirm, timeouts, preflight, keep } = activation;
  const { toplevel, rev, subject } = past;
  const { manifest } = await readLedger(stack, { limit: 1, toplevel });
  return {
    ...{ connection: connectionOf(host), host: host.name, toplevel, rev, subject },
    ...(host.machineId === undefined ? {} : { machineId: host.machineId }),
    mode: activation.mode === "immediate" ? "immediate" : "switch",
    ...{ probes: health, unitFailures, confirm, timeouts, preflight, keep },
    ...(manifest === null ? {} : { manifest }),
  };
}

async function followed(
  wanted: SystemProfileInputs,
  from: string | null,
  { stack, output }: Emergency,
): Promise<Verdict> {
  const { verdict } = await activate(wanted, from, workAlone(stack, output));
  for (const note of verdict.notes) output.say(plain(note));
  return verdict;
}

async function refuse(wanted: SystemProfileInputs, said: Verdict): Promise<never> {
  const now = liveOf(await observe(wanted.connection));
  const code = interruption.happened ? EXIT.interrupted : EXIT.failed;
  throw new Stop(code, reasonsOf(wanted, said, now).join("\n"), {
    outcome: said.outcome,
    verdict: said,
  });
}

/** Without a pin, the next `pulumi up` would go forward again. */
async function pinned({ project, stack, past, output }: Emergency) {
  try {
    const pin = await pinFor(project, stack, past);
    writePin(project, stack, pin);
    output.say(
      `${stack.file} is pinned to ${describePin(pin)}, so that the next preview takes it in. To go on: promote unpin --stack ${stack.name}`,
    );
    return pin;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    output.say(
      `The stack is not pinned, so the next pulumi up goes forward again: ${plain(error.message)}`,
    );
    return undefined;
  }
}
