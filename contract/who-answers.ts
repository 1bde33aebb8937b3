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
  if (test.kind === "command") return true;
  return [test.body ?? "", ...Object.values(test.headers ?? {})].some(
    (pattern) => pattern.search(MARK) >= 0,
  );
}

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
  return pattern.replace(MARK, (_mark, key: string) => literal(values[key] ?? ""));
}

/** In a pattern with the flag u, a dash needs no escape outside of brackets, and may have none. */
function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
