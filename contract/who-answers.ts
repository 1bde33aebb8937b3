import type { SmokeTest } from "./smoke.ts";

/** What a test may say of the host that has to answer: `%rev%` stands for its commit. */
export interface Answerer {
  readonly host: string;
  readonly target: string;
  readonly rev: string;
}

const MARK = /%(host|target|rev|shortRev)%/g;

/** Could the test tell one host or release from another? */
export function tellsWhoAnswers(test: SmokeTest): boolean {
  return test.kind === "command" || hasMark(test, MARK);
}

/** Could it tell one host from another that runs the same release? */
export function tellsHost(test: SmokeTest): boolean {
  return test.kind === "command" || hasMark(test, /%(host|target)%/);
}

/** Does it ask for the release? */
export function tellsRelease(test: SmokeTest): boolean {
  return test.kind === "http" && hasMark(test, /%(rev|shortRev)%/);
}

function hasMark({ body = "", headers = {} }: Patterns, mark: RegExp): boolean {
  return [body, ...Object.values(headers)].some((pattern) => pattern.search(mark) >= 0);
}

type Patterns = Pick<Extract<SmokeTest, { kind: "http" }>, "body" | "headers">;

/** The test with the marks in its patterns filled in, each as a text that means itself. */
export function askingFor(answerer: Answerer, test: SmokeTest): SmokeTest {
  if (test.kind === "command") return test;
  const { body, headers, ...others } = test;
  return {
    ...others,
    ...(body === undefined ? {} : { body: filledIn(body, answerer) }),
    ...(headers === undefined
      ? {}
      : {
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, pattern]) => [name, filledIn(pattern, answerer)]),
          ),
        }),
  };
}

function filledIn(pattern: string, { host, target, rev }: Answerer): string {
  const place = target.replace(/^.*:\/\//, "");
  const values: Record<string, string> = { host, target: place, rev, shortRev: rev.slice(0, 7) };
  return pattern.replace(MARK, (_mark, key: string) => literal(values[key] ?? "") || NOTHING);
}

/** What is not known is no text, which would match anything. */
const NOTHING = "(?!)";

/** In a pattern with the flag u, a dash needs no escape outside of brackets, and may have none. */
function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
