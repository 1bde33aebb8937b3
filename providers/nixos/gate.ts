import { isDeepStrictEqual } from "node:util";
import type { Examinable } from "../../contract/front.ts";
import { Goal } from "../../contract/goal.ts";
import { placeOf } from "../../contract/links.ts";
import type { ClosureInputs, SystemProfileInputs } from "../../contract/resources.ts";
import { type GateInputs, gateInputs } from "../../contract/rollout.ts";
import { Failure } from "../errors.ts";
import { look } from "./drift.ts";
import type { Reporter } from "./engine.ts";
import { examine } from "./health.ts";
import { members } from "./in-fleet.ts";
import { describeRunning } from "./last-transaction.ts";
import { observe } from "./observation.ts";
import { pause } from "./pause.ts";
import type { Resource } from "./resource.ts";
import { fleet } from "./rollout.ts";
import { turns } from "./turns.ts";

const SIDE_BY_SIDE = 32;

/**
 * Where the hosts of a wave wait for each other. `ready`: all have the closure and can be reached, so that the first
 * may be switched. `settled`: all run the release, and are healthy after the soak.
 *
 *     create, update -> waits, looks at all hosts side by side, and fails with what is wrong
 *     refresh, read  -> what was recorded: it is an event, not a thing
 *     delete         -> nothing
 */
export const gate: Resource<GateInputs, GateInputs> = {
  inputs: gateInputs,
  diff(state, wanted) {
    if (wanted.rollout.held) return { changes: false };
    return { changes: !isDeepStrictEqual(lasting(state), lasting(wanted)) };
  },
  async create(wanted, report) {
    return { id: `${wanted.rollout.wave}-${wanted.stage}`, outputs: await pass(wanted, report) };
  },
  refresh: async (state) => state,
  read: async (_id, state) => state && { inputs: state, outputs: state },
  update: (_state, wanted, report) => pass(wanted, report),
  async delete() {},
};

function lasting({ rollout: _how, soakSeconds: _soak, ...wanted }: GateInputs): object {
  return wanted;
}

async function pass(wanted: GateInputs, report: Reporter): Promise<GateInputs> {
  if (wanted.rollout.held) return wanted;
  await fleet.judge(wanted.rollout, async () => {
    if (wanted.stage === "settled") await soak(wanted, report);
    const hosts = wanted.hosts.filter((host) => !members.get(host)?.rollout?.held);
    report.progress(`looking at ${hosts.length} hosts`);
    const inTurn = turns(SIDE_BY_SIDE);
    const said = await Promise.all(
      hosts.map((host) =>
        inTurn(() => troubleOf(wanted.stage, members.get(host)))
          .catch((error: Error) => error.message)
          .then((trouble) => (trouble === undefined ? [] : [`${host}: ${trouble}`])),
      ),
    );
    const troubles = said.flat();
    if (troubles.length === 0) return;
    const state =
      wanted.stage === "ready"
        ? "No host of the wave was switched."
        : "They keep the release that they have proven before, unless it is said below that they went back.";
    throw new Failure(
      "refused",
      [`The wave ${wanted.rollout.wave} is not ${wanted.stage}:`, ...troubles, state].join("\n"),
    );
  });
  return wanted;
}

async function soak({ soakSeconds, rollout }: GateInputs, report: Reporter): Promise<void> {
  const waited = await pause(soakSeconds, (left) => report.progress(`soaking: ${left} s left`));
  if (waited) return;
  throw new Failure(
    "refused",
    `The soak of the wave ${rollout.wave} was interrupted: its hosts run the release. \`pulumi up\` again begins the soak anew.`,
  );
}

async function troubleOf(
  stage: GateInputs["stage"],
  member: SystemProfileInputs | ClosureInputs | undefined,
): Promise<string | undefined> {
  if (stage === "ready") return member && absenceOf(member);
  if (member !== undefined && "probes" in member) return illnessOf(member);
  return "nothing was asked of it in this run. Target its resources too, or leave out --target.";
}

/** Why it is not ready to be switched. */
async function absenceOf({ connection }: Pick<SystemProfileInputs, "connection">) {
  const { last } = await observe(connection);
  return last?.state === "running" ? describeRunning(last) : undefined;
}

/** Why it is not healthy with the release, by its contract. */
async function illnessOf(member: SystemProfileInputs): Promise<string | undefined> {
  const { drift } = await look(member);
  if (drift.length > 0) return `${drift.join("; ")}.`;
  if (!Goal.of(member.mode).activates || member.probes.length === 0) return undefined;
  const { reason } = await examine(examinationOf(member), "host.connection");
  return reason === null ? undefined : `${reason}.`;
}

function examinationOf({ connection, probes, links }: SystemProfileInputs): Examinable {
  if (links === undefined) return { connection, probes };
  return {
    ...{ connection, probes },
    links: placeOf(links),
  };
}
