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
    const named = (names: readonly string[]) =>
      Object.fromEntries(names.map((name) => [name, name]));
    const argument = {
      ...question,
      hosts: named(hosts),
      components: named(components),
      timeoutSeconds,
    };
    const patience = { timeoutSeconds: timeoutSeconds + 15 };
    try {
      return await call(
        reach(connection, "release.builder"),
        "resolve",
        argument,
        evaluation.strip(),
        patience,
      );
    } catch (error) {
      const setting = settingOf(error);
      if (setting === undefined) throw error;
      const release = `Release ${question.rev} on ${describeConnection(connection)}:`;
      const advice = setting === "release.builder" ? ` ${DISK_FULL}` : "";
      throw inContext(`[${setting}]${advice} ${release}`, error);
    }
  },
};

const DISK_FULL = "The disk of the builder is full; free space there, and run again.";

/** The setting of a stack that an answer of the builder is about. */
function settingOf(error: unknown): string | undefined {
  if (!(error instanceof Failure)) return undefined;
  switch (error.code) {
    case "no-such-repo":
      return "release.repo";
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
