import { Failure, type FailureKind } from "../providers/errors.ts";
import { SettingsError } from "../settings.ts";
import { EXIT, type ExitCode, Stop } from "./exit-code.ts";

/** Whatever went wrong, as the operator is told it. */
export function asStop(error: unknown): Stop {
  if (error instanceof Stop) return error;
  if (error instanceof Failure) return new Stop(exitCodeOf(error.kind), error.message);
  if (error instanceof SettingsError) return new Stop(EXIT.usage, error.message);
  const said = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new Stop(EXIT.failed, `This is a fault of promote itself: ${said}`);
}

function exitCodeOf(kind: FailureKind): ExitCode {
  return kind === "refused" || kind === "script" ? EXIT.failed : EXIT.unknown;
}
