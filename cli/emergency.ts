import { Goal } from "../contract/goal.ts";
import { type Links, placeOf } from "../contract/links.ts";
import type { SystemProfileInputs } from "../contract/resources.ts";
import type { Verdict } from "../contract/verdict.ts";
import { connectionOf } from "../contract/ways-to-host.ts";
import { liveOf } from "../providers/nixos/drift.ts";
import { interruption } from "../providers/nixos/interruption.ts";
import { observe } from "../providers/nixos/observation.ts";
import { reasonsOf } from "../providers/nixos/reasons.ts";
import { activate } from "../providers/nixos/transaction.ts";
import type { Settings } from "../settings.ts";
import { tellDetour, workAlone } from "./alone.ts";
import { requireHealthy } from "./carry-out.ts";
import { EXIT, type ExitCode, Stop } from "./exit-code.ts";
import { manifestBy } from "./kept-manifest.ts";
import type { Past } from "./ledger.ts";
import type { Output } from "./output.ts";
import { describePin, writePin } from "./pin.ts";
import { pinFor } from "./pin-for.ts";
import type { Project, SettledStack } from "./project.ts";
import { requireYes } from "./question.ts";
import { plain } from "./text.ts";

interface Emergency {
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
  requireThere(emergency);
  const links = linksOf(stack.settings, past);
  const question = links && placeOf(links);
  const { currentSystem, links: lead = {} } = await observe(connectionOf(host), {
    links: question,
  });
  tellDetour(stack, output);
  const linked = Object.entries(links?.files ?? {}).every(([name, to]) => lead[name] === to);
  if (linked && (isLinksAlone(stack) || currentSystem === past.toplevel)) {
    output.say(`${host.name} runs it already.`);
    output.document({ stack: stack.name, to: past, outcome: "nothing to do" });
    return EXIT.done;
  }
  await requireYes(`Do this on ${host.name}, past Pulumi and without a preview?`, {
    ...{ yes, output },
    instead: `To do it: promote rollback --stack ${stack.name} --to ${past.rev.slice(0, 12)} --emergency --yes`,
  });
  const wanted = await wantedOf(stack, past, links);
  const said = await followed(wanted, currentSystem, emergency);
  if (said.outcome !== Goal.of(wanted.mode).success) await refuse(wanted, said);
  const pin = await pinned(emergency);
  const sight = await requireHealthy(stack, output);
  output.document({ stack: stack.name, to: past, outcome: "rolled back", pin: pin ?? null, sight });
  return EXIT.done;
}

function isLinksAlone({ settings }: SettledStack): boolean {
  return settings.activation.strategy === "links";
}

/** What links lead to, the preflight of the host looks for itself. */
function requireThere({ stack, past }: Emergency): void {
  if (past.valid !== false || isLinksAlone(stack)) return;
  throw new Stop(
    EXIT.failed,
    `The system of ${past.rev.slice(0, 12)} is no longer in the store of ${stack.settings.host.name}, and --emergency copies nothing. ` +
      "Nothing was changed. See promote history for one that is, or roll back without --emergency.",
  );
}

/** The links of the settings, each to where it led in that release: what `pulumi up` would ask for. */
function linksOf({ activation, host }: Settings, past: Past): Links | undefined {
  const { links } = activation;
  if (links === undefined) return undefined;
  const components = new Map<string, string>();
  // As Pulumi sorts the settings of an object, so that the next preview finds what it would have asked for.
  const files = Object.entries(links.files).sort(([one], [other]) => (one < other ? -1 : 1));
  const targets = files.map(([name, { component }]): [string, string] => {
    const target = past.links[name];
    const [path] = /^\/nix\/store\/[^/]+(?=\/)/.exec(target ?? "") ?? [];
    if (target == null || path === undefined)
      throw new Stop(
        EXIT.failed,
        `The ledger of ${host.name} does not say where ${links.directory}/${name} led in ${past.rev.slice(0, 12)}, so --emergency cannot bring it back. ` +
          "Nothing was changed. Roll back without it, or to another release of promote history.",
      );
    components.set(component, path);
    return [name, target];
  });
  return {
    ...{ directory: links.directory, restart: links.restart, components: [...components.values()] },
    files: Object.fromEntries(targets),
  };
}

/** What `pulumi up` would ask for, with its backup of data. A host in trouble is not the one to only test or boot something. */
async function wantedOf(
  stack: SettledStack,
  past: Past,
  links: Links | undefined,
): Promise<SystemProfileInputs> {
  const { host, health, activation } = stack.settings;
  const { unitFailures, confirm, timeouts, preflight, keep, data } = activation;
  const { toplevel, rev, subject } = past;
  const manifest = await manifestBy(stack, past);
  return {
    ...{ connection: connectionOf(host), host: host.name, rev, subject },
    ...(isLinksAlone(stack) ? { strategy: "links" as const } : { toplevel }),
    ...(links === undefined ? {} : { links }),
    ...(host.machineId === undefined ? {} : { machineId: host.machineId }),
    mode: activation.mode === "immediate" ? "immediate" : "switch",
    ...{ probes: health, unitFailures, confirm, timeouts, preflight, keep },
    ...(data === undefined ? {} : { data }),
    ...(manifest === undefined ? {} : { manifest }),
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
