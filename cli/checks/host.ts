import { describeConnection } from "../../contract/connection.ts";
import type { HostState } from "../../contract/host-state.ts";
import { connectionOf } from "../../contract/ways-to-host.ts";
import { Failure } from "../../providers/errors.ts";
import { detourOf } from "../../providers/executors/index.ts";
import type { Facts } from "../facts.ts";
import { Findings } from "../finding.ts";
import { sightOf, type Watched } from "../sight.ts";

const MIB = 1048576;

/** A host and the place that findings about it are told under. */
interface Checked {
  readonly name: string;
  readonly settings: Watched;
}

/** The way to the host, whether it is the right one, and what would keep it from taking a release. */
export async function checkHost(facts: Facts, stack: Checked): Promise<Findings> {
  const found = new Findings(stack.name);
  let state: HostState;
  try {
    state = await facts.state(stack);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    found.fail("connection", error.message, fixOf(error, stack));
    return found;
  }
  checkWay(stack, found);
  checkIdentity(state, stack, found);
  checkCondition(state, stack, found);
  await checkRoom(facts, stack, found);
  return found;
}

function fixOf({ kind }: Failure, { settings }: Checked): string {
  const { connection } = settings.host;
  if (connection.kind !== "ssh") return "See docs/aws-ssm.md.";
  const user = connection.user === undefined ? "" : `${connection.user}@`;
  const by = `ssh ${connection.identityFile === undefined ? "" : `-i ${connection.identityFile} `}${user}${connection.host}`;
  if (kind === "auth") return `Make this work first: ${by} true`;
  if (kind === "host-key") return "See who answers there before you change the pin.";
  return `Look whether it is up: ${by} true`;
}

function checkWay({ settings }: Checked, found: Findings): Findings {
  const { connection } = settings.host;
  const way = describeConnection(connection);
  const detour = detourOf(connectionOf(settings.host));
  if (detour !== undefined)
    return found.warn(
      "connection",
      detour,
      "Open it again: if the fallback closes too, nobody gets in.",
    );
  if (connection.kind !== "ssh") return found.ok("connection", `${way} answers`);
  if (connection.hostKey !== undefined)
    return found.ok("connection", `${way} answers, with the pinned host key`);
  if (connection.acceptNewHostKey !== true)
    return found.ok("connection", `${way} answers, with the host key of known_hosts`);
  return found.warn(
    "connection",
    `${way} answers, but whatever host key it first shows is trusted`,
    "Pin it: set [host.connection.hostKey], and leave acceptNewHostKey out.",
  );
}

function checkIdentity(state: HostState, { settings }: Checked, found: Findings): void {
  const { machineId, name } = settings.host;
  if (state.currentSystem === null)
    found.fail(
      "system",
      `${state.hostname} has no /run/current-system: it is not a NixOS host`,
      "Install NixOS there, or correct [host.connection].",
    );
  if (machineId === undefined)
    found.ok(
      "machine",
      `${state.hostname}; to refuse any other, set [host.machineId] ${state.machineId}`,
    );
  else if (machineId === state.machineId)
    found.ok("machine", `${state.hostname}, the one of [host.machineId]`);
  else
    found.fail(
      "machine",
      `the machine for ${name} is ${state.machineId}, not [host.machineId] ${machineId}`,
      "Correct the one that is wrong: [host.connection] or [host.machineId].",
    );
  found.ok("nix", state.nixVersion);
}

function checkCondition(state: HostState, { settings }: Checked, found: Findings): void {
  const sight = sightOf(state, settings);
  if (sight.health === "busy")
    found.warn(
      "lock",
      sight.notes[0] ?? "a transaction is running",
      "Wait until it has ended. If its process has ended, the next `pulumi up` of the same release follows it.",
    );
  else found.ok("lock", "no transaction is running");
  if (sight.drift.length > 0)
    found.warn(
      "drift",
      sight.drift.join("; "),
      "A promotion replaces it. If somebody did that on purpose, put it into the release first.",
    );
  if (sight.rebootFor !== null)
    found.warn(
      "reboot",
      `a reboot is due for another ${sight.rebootFor}`,
      "Reboot when it suits you.",
    );
  if (sight.failedUnits.length > 0)
    found.warn(
      "units",
      `failed: ${sight.failedUnits.join(", ")}`,
      "See `systemctl status UNIT` on the host. With [activation.unitFailures] strict, new ones fail a release.",
    );
}

async function checkRoom(facts: Facts, stack: Checked, found: Findings): Promise<void> {
  const { diskMarginMiB, memoryMarginMiB } = stack.settings.activation.preflight;
  const { free, memory } = await facts.examine(connectionOf(stack.settings.host));
  const short = Object.entries(free).filter(
    ([mount, bytes]) => !/^\/(boot|efi)/.test(mount) && bytes < diskMarginMiB * MIB,
  );
  const [least] = Object.entries(free).sort(([, one], [, other]) => one - other);
  for (const [mount, bytes] of short)
    found.fail(
      "room",
      `only ${Math.floor(bytes / MIB)} MiB are free on ${mount}, ${diskMarginMiB} MiB are needed`,
      "Free some (nix-collect-garbage, old generations, logs), or lower [activation.preflight.diskMarginMiB].",
    );
  if (short.length === 0 && least !== undefined)
    found.ok("room", `${Math.floor(least[1] / MIB)} MiB free on ${least[0]}`);
  if (memory !== null && memory < memoryMarginMiB * MIB)
    found.fail(
      "memory",
      `only ${Math.floor(memory / MIB)} MiB are available, ${memoryMarginMiB} MiB are needed`,
      "Stop what takes the memory, or lower [activation.preflight.memoryMarginMiB].",
    );
}
