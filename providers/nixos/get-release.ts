import { describeConnection } from "../../contract/connection.ts";
import {
  type Evaluation,
  evaluation,
  type GetReleaseInputs,
  getReleaseInputs,
} from "../../contract/resources.ts";
import { Failure, inContext } from "../errors.ts";
import { call } from "../executors/executor.ts";
import type { Invocation } from "./resource.ts";
import { reach } from "./route.ts";

/** A revision's exact output paths, by evaluation on the builder; nothing is built. */
export const getRelease: Invocation<GetReleaseInputs> = {
  inputs: getReleaseInputs,
  async call({ connection, hosts, components, timeoutSeconds, ...question }): Promise<Evaluation> {
    const argument = {
      ...question,
      hosts,
      components: Object.fromEntries(components.map((name) => [name, name])),
      timeoutSeconds,
    };
    const patience = { timeoutSeconds: timeoutSeconds + 15 };
    try {
      const evaluated = await call(
        reach(connection, "release.builder"),
        "resolve",
        argument,
        evaluation.strip(),
        patience,
      );
      requireSystems(evaluated, hosts);
      return evaluated;
    } catch (error) {
      const setting = settingOf(error);
      if (setting === undefined) throw error;
      const release = `Release ${question.rev} on ${describeConnection(connection)}:`;
      const advice = setting === "release.builder" ? ` ${DISK_FULL}` : "";
      throw inContext(`[${setting}]${advice} ${release}`, error);
    }
  },
};

/** A system for another machine would be found out only on its host. */
function requireSystems(evaluated: Evaluation, wanted: GetReleaseInputs["hosts"]): void {
  for (const [name, { system }] of Object.entries(evaluated.hosts))
    if (system !== wanted[name])
      throw new Failure(
        "refused",
        `nixosConfigurations.${name} is for ${system}, not for ${wanted[name]}. ` +
          `Write {name: ${name}, system: ${system}} there, or correct the flake.`,
        { code: "other-system" },
      );
}

const DISK_FULL = "The disk of the builder is full; free space there, and run again.";

/** The setting of a stack that an answer of the builder is about. */
function settingOf(error: unknown): string | undefined {
  if (!(error instanceof Failure)) return undefined;
  switch (error.code) {
    case "no-such-repo":
      return "release.repo";
    case "dirty-repo":
      return "release.requireClean";
    case "unknown-branch":
    case "off-branch":
      return "release.branch";
    case "other-system":
      return "release.hosts";
    case "missing-attribute":
      return error.message.includes('"nixosConfigurations.')
        ? "release.hosts"
        : "release.components";
    case "unknown-revision":
      return "release.rev";
    case "evaluation-failed":
      return /No space left on device|disk is full/.test(error.message)
        ? "release.builder"
        : "release.rev";
    default:
      return undefined;
  }
}
