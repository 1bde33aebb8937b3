import { z } from "zod";
import { probe } from "./probe.ts";

const [http, , , command] = probe.options;
const deadlineSeconds = z
  .number()
  .min(1)
  .max(3600)
  .optional()
  .describe("Fail when not passed by then. Default: 30.");

function isPattern(text: string): boolean {
  try {
    return new RegExp(text, "u") instanceof RegExp;
  } catch {
    return false;
  }
}

/**
 * What has to be seen from the operator's machine before a release is confirmed: the public name, a
 * sign-in in a browser. A host that does not get its confirmation goes back by itself.
 */
export const smokeTest = z.discriminatedUnion("kind", [
  http.pick({ kind: true, name: true, url: true, status: true, timeoutSeconds: true }).extend({
    body: z
      .string()
      .min(1)
      .max(4096)
      .refine(isPattern, "must be a regular expression of JavaScript")
      .optional()
      .describe("Regular expression of JavaScript that the body must match."),
    headers: z
      .record(
        z.string().regex(/^[A-Za-z0-9-]{1,64}$/, "must be the name of a header"),
        z.string().min(1).max(1024).refine(isPattern, "must be a regular expression of JavaScript"),
      )
      .optional()
      .describe("By name: regular expression of JavaScript that a header must match."),
    deadlineSeconds,
  }),
  command.pick({ kind: true, name: true, argv: true }).extend({
    directory: z
      .string()
      .max(1024)
      .regex(/^\/[^\p{Cc}]*$/u, "must be an absolute path")
      .optional()
      .describe("Default: where the provider was started."),
    deadlineSeconds,
  }),
]);
export type SmokeTest = z.infer<typeof smokeTest>;

export const smokeTests = z
  .array(smokeTest)
  .min(1, "must hold at least one test")
  .max(20)
  .refine(
    (tests) => new Set(tests.map(({ name }) => name)).size === tests.length,
    "must give every test a name of its own",
  );

const DEADLINE_SECONDS = 30;
/** What is left of the host's patience for our confirmation itself. */
export const CONFIRM_SECONDS = 15;

export function deadlineOf({ deadlineSeconds: given }: SmokeTest): number {
  return given ?? DEADLINE_SECONDS;
}

/** Why a host could not be kept waiting for these tests; undefined if it can. */
export function smokeMistake(
  tests: readonly SmokeTest[],
  asksForConfirmation: boolean,
  confirmSeconds: number,
): string | undefined {
  if (!asksForConfirmation)
    return (
      "needs [activation.confirm] and one of the modes switch and test: only a release that waits for our " +
      "confirmation can be taken back. Use [hooks.after] for a test whose failure is only told."
    );
  const longest = Math.max(0, ...tests.map(deadlineOf));
  if (longest + CONFIRM_SECONDS <= confirmSeconds) return undefined;
  return (
    `takes up to ${longest} s, and the host waits ${confirmSeconds} s for our confirmation: set ` +
    `[activation.timeouts.confirm] to ${longest + CONFIRM_SECONDS} or more, or lower deadlineSeconds.`
  );
}
