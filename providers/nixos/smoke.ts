import { setTimeout as sleep } from "node:timers/promises";
import { deadlineOf, type SmokeTest } from "../../contract/smoke.ts";
import { runProcess } from "../executors/process.ts";
import { interruption } from "./interruption.ts";

const INTERVAL_MILLISECONDS = 1000;
const TRY_SECONDS = 5;
const BODY_BYTES = 65536;

type Facts = Readonly<Record<string, string>>;

/**
 * Tries all of them side by side, each until its deadline, from this machine. Answers why the first of
 * the list that failed did; undefined if all passed, or if a Ctrl-C came first.
 */
export async function smoke(
  tests: readonly SmokeTest[],
  facts: Facts,
): Promise<string | undefined> {
  const until = new AbortController();
  const trying = Promise.all(tests.map((test) => trial(test, facts, until.signal)));
  const interrupted = await interruption.before(trying);
  until.abort();
  if (interrupted) return undefined;
  const answers = await trying;
  const failed = answers.findIndex((answer) => answer !== undefined);
  if (failed < 0) return undefined;
  return `the smoke test ${tests[failed]?.name} failed, seen from the operator's machine: ${answers[failed]}.`;
}

function trial(test: SmokeTest, facts: Facts, until: AbortSignal): Promise<string | undefined> {
  return test.kind === "http" ? tryUntil(test, until) : tryCommand(test, facts);
}

type Http = Extract<SmokeTest, { kind: "http" }>;

async function tryUntil(test: Http, until: AbortSignal): Promise<string | undefined> {
  const giveUp = Date.now() + deadlineOf(test) * 1000;
  while (true) {
    const left = giveUp - Date.now();
    const limit = Math.min(left, (test.timeoutSeconds ?? TRY_SECONDS) * 1000);
    const answer = await tryHttp(test, AbortSignal.any([until, AbortSignal.timeout(limit)]));
    if (answer === undefined || until.aborted) return answer;
    if (giveUp - Date.now() <= INTERVAL_MILLISECONDS) return answer;
    await sleep(INTERVAL_MILLISECONDS);
  }
}

/** An open connection would go on leading to whom the name led before. */
const STRANGER = { connection: "close" };

/** Redirects are not followed: a sign-in page that answers 200 is not the service. */
async function tryHttp(
  { url, status = [200], body, headers = {} }: Http,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const answer = await fetch(url, { headers: STRANGER, redirect: "manual", signal });
    const seen = await beginningOf(answer, body === undefined ? 0 : BODY_BYTES);
    if (!status.includes(answer.status)) return `${answer.status}${redirection(answer)}`;
    const header = Object.entries(headers).find(([name, pattern]) => !says(answer, name, pattern));
    if (header !== undefined) return `${answer.status}, but ${headerText(answer, header[0])}`;
    if (body === undefined || new RegExp(body, "u").test(seen)) return undefined;
    return `${answer.status}, but the body does not match: ${plain(seen).slice(0, 120)}`;
  } catch (error) {
    return signal.aborted ? "no answer in time" : why(error);
  }
}

/** As much of the body as counts; the rest is not fetched. */
async function beginningOf(answer: Response, bytes: number): Promise<string> {
  const decoder = new TextDecoder();
  let [text, size] = ["", 0];
  if (bytes > 0)
    for await (const chunk of answer.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      size += chunk.length;
      if (size >= bytes) break;
    }
  else await answer.body?.cancel();
  return text;
}

function says({ headers }: Response, name: string, pattern: string): boolean {
  const value = headers.get(name);
  return value !== null && new RegExp(pattern, "u").test(value);
}

function headerText({ headers }: Response, name: string): string {
  const value = headers.get(name);
  if (value === null) return `without the header ${name}`;
  return `the header ${name} does not match: ${plain(value).slice(0, 120)}`;
}

function redirection({ headers }: Response): string {
  const to = headers.get("location");
  return to === null ? "" : ` to ${plain(to).slice(0, 200)}`;
}

function why(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return plain(cause instanceof Error ? cause.message : String(cause)).slice(0, 200);
}

/** Once: a test such as Playwright's tries again by itself. */
async function tryCommand(
  test: Extract<SmokeTest, { kind: "command" }>,
  facts: Facts,
): Promise<string | undefined> {
  const [program = "", ...words] = test.argv;
  const limit = deadlineOf(test);
  const { code, stdout, stderr, timedOut } = await runProcess([program, ...words], "", limit, {
    ...{ endsWithUs: true, env: facts },
    ...(test.directory === undefined ? {} : { cwd: test.directory }),
  });
  if (code === 0 && !timedOut) return undefined;
  const how = timedOut ? `no end within ${limit} s` : `exit ${code ?? "unknown"}`;
  const said = plain(`${stdout}\n${stderr}`.trim()).slice(-1000);
  return said === "" ? how : `${how}: ${said}`;
}

function plain(text: string): string {
  return text.replace(/[^\P{Cc}\n]/gu, " ").trim();
}
