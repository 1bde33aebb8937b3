import { createHash, randomUUID } from "node:crypto";
import { type AwsSsmConnection, describeConnection } from "../../contract/connection.ts";
import { Failure } from "../errors.ts";
import { DELIVERY_SECONDS, type Invocation, ssmApi } from "./aws-ssm-api.ts";
import { awsFailure, isPassing } from "./aws-ssm-errors.ts";
import {
  DEFAULT_DOCUMENT,
  pack,
  parametersOf,
  piecesOf,
  type Question,
  type Reply,
  replyOf,
  unpack,
} from "./aws-ssm-request.ts";
import type { Executor } from "./executor.ts";

/** How a command ended for us. `unknown`: it may have run, and asking again is harmless. */
type Outcome =
  | { readonly is: "replied"; readonly reply: Reply }
  | { readonly is: "failed"; readonly failure: Failure }
  | { readonly is: "unknown"; readonly failure: Failure };

/** How long SSM may take beyond what it is asked for. */
export const PATIENCE = {
  /** Until it knows a command that it took: longer than it has ever been inconsistent for. */
  appearSeconds: 20,
  /** Until it notices that a command has ended. */
  noticeSeconds: 15,
};
/** A second delivery waits for the first one for as long as that may take, and then has to answer. */
const GRACE_SECONDS = 5;
const GET_BYTES = 17_000;
const PARALLEL = 4;

/**
 * Run Command of AWS Systems Manager. It delivers at least once, late, and with 24,000 characters of answer; so
 * every request has an id under which the host runs it once, and may be sent again. Every command is a new one
 * over a new way: `fresh` means nothing here.
 */
export function awsSsmExecutor(
  connection: AwsSsmConnection,
  api = ssmApi(connection),
  { appearSeconds, noticeSeconds } = PATIENCE,
): Executor {
  const host = describeConnection(connection);
  const document = connection.document ?? DEFAULT_DOCUMENT;
  const deliverySeconds = connection.deliveryTimeoutSeconds ?? DELIVERY_SECONDS;
  /** Commands that nobody has an answer of yet, and whether they only read. */
  const pending = new Map<string, boolean>();
  let instance: Promise<string> | undefined;

  /** One question, asked a second time under the same id if nobody knows what became of the first. */
  async function ask(question: Question, seconds: number, reads = false): Promise<Reply> {
    const first = await once(question, seconds, reads);
    if (first.is === "replied") return first.reply;
    if (first.is === "failed") throw first.failure;
    const second = await once(question, seconds, reads).catch(() => first);
    if (second.is === "replied") return second.reply;
    throw first.failure; // whatever stands in the way now, the first may have run
  }

  async function once(question: Question, seconds: number, reads: boolean): Promise<Outcome> {
    instance ??= api.instance();
    try {
      const id = await instance;
      const parameters = parametersOf(
        { ...question, patience: seconds },
        document,
        seconds + GRACE_SECONDS,
      );
      const comment = `nixos-promote ${question.action} ${question.request ?? question.upload}`;
      const command = await api.send(id, { document, parameters, comment });
      pending.set(command, reads);
      const outcome = await follow(command, id, seconds).finally(() => pending.delete(command));
      if (outcome.is !== "replied") instance = undefined;
      return outcome;
    } catch (error) {
      instance = undefined; // looked at again before the next command
      if (error instanceof Failure && error.kind === "lost")
        return { is: "unknown", failure: error };
      throw error;
    }
  }

  async function follow(command: string, id: string, seconds: number): Promise<Outcome> {
    const sent = Date.now();
    let giveUp = sent + (deliverySeconds + noticeSeconds) * 1000;
    let begun = false;
    for (let poll = 0; Date.now() < giveUp; poll++) {
      await sleep(pauseMilliseconds(poll));
      const found = await api.invocation(command, id).catch((error) => {
        if (isPassing(error)) return null;
        throw awsFailure(host, "ssm:GetCommandInvocation", error, true);
      });
      if (found === null) continue;
      if (found === undefined && Date.now() > sent + appearSeconds * 1000)
        return unknown("lost", `SSM lost command ${command} after it had taken it.`);
      if (!begun && found?.status === "InProgress") {
        begun = true;
        giveUp = Date.now() + (seconds + GRACE_SECONDS + noticeSeconds) * 1000;
      }
      const outcome = found && outcomeOf(found, command, seconds);
      if (outcome) return outcome;
    }
    await api.cancel(command).catch(() => {});
    return unknown(
      "timeout",
      `no answer within ${seconds} s, and SSM still calls command ${command} unfinished. What was asked may still run there.`,
    );
  }

  function outcomeOf(found: Invocation, command: string, seconds: number): Outcome | undefined {
    const reply = replyOf(found.stdout);
    if (reply !== undefined) return { is: "replied", reply };
    switch (found.status) {
      case "Pending":
      case "InProgress":
      case "Delayed":
      case "Cancelling":
        return undefined;
      case "TimedOut":
        return /^execution/i.test(found.details)
          ? failed("timeout", `no answer within ${seconds} s; SSM has ended what was asked.`)
          : failed(
              "unreachable",
              `its SSM agent took no command within ${deliverySeconds} s (deliveryTimeoutSeconds), so nothing was run. See whether amazon-ssm-agent runs there.`,
            );
      case "Cancelled":
        return failed("lost", `command ${command} was cancelled in SSM before it had an answer.`);
    }
    if (/undeliverable|invalid ?platform/i.test(found.details))
      return failed("unreachable", `SSM could not deliver: ${found.details}. Nothing was run.`);
    if (/access ?denied/i.test(found.details))
      return failed(
        "auth",
        `SSM may not run this document there: ${found.details}. Check \`document\`.`,
      );
    const said = found.stderr.trim().slice(-2000) || "no message";
    return unknown(
      "lost",
      `command ${command} ended without an answer (${found.details}: ${said}).`,
    );
  }

  function failed(kind: Failure["kind"], sentence: string): Outcome {
    return { is: "failed", failure: new Failure(kind, `${host}: ${sentence}`) };
  }

  function unknown(kind: Failure["kind"], sentence: string): Outcome {
    return { is: "unknown", failure: new Failure(kind, `${host}: ${sentence}`) };
  }

  /** What is too large for one command goes first, under its hash. */
  async function send(payload: string): Promise<Pick<Question, "payload" | "upload">> {
    const pieces = piecesOf(payload);
    if (pieces.length === 1) return { payload };
    const upload = createHash("sha256").update(Buffer.from(payload, "base64")).digest("hex");
    await inParallel(pieces, async (piece, offset) => {
      const reply = await ask({ action: "put", upload, offset, payload: piece }, 30);
      if (reply.kind !== "put") throw unreadable();
    });
    return { upload };
  }

  /** The rest of an answer that is too large for one command. */
  async function receive(request: string, start: Buffer, size: number): Promise<Buffer> {
    const offsets: number[] = [];
    for (let at = start.length; at < size; at += GET_BYTES) offsets.push(at);
    const rest: Buffer[] = [];
    await inParallel(offsets, async (offset, index) => {
      const reply = await ask({ action: "get", request, offset }, 30);
      if (reply.kind !== "get") throw unreadable();
      rest[index] = reply.packed;
    });
    return Buffer.concat([start, ...rest]);
  }

  function unreadable(): Failure {
    return new Failure("lost", `${host}: what was sent or answered did not arrive whole.`);
  }

  return {
    ...{ host, kind: "awsSsm" },
    async run(script, input, { timeoutSeconds, endsWithUs }) {
      const request = randomUUID().replaceAll("-", "");
      const question: Question = {
        action: "run",
        request,
        scriptBytes: Buffer.byteLength(script),
        ...(await send(pack(script, input))),
      };
      const reply = await ask(question, Math.ceil(timeoutSeconds), endsWithUs);
      switch (reply.kind) {
        case "answer":
          if (reply.code !== 0)
            throw new Failure(
              "script",
              `A script failed on ${host} with exit ${reply.code}: ${reply.stderr.trim()}`,
            );
          return unpack(await receive(request, reply.packed, reply.size));
        case "running":
          throw new Failure(
            "timeout",
            `${host} gave no answer within ${timeoutSeconds} s. What was asked still runs there.`,
          );
        case "cut":
          throw new Failure("lost", `${host}: what was asked was ended there before it was done.`);
        default:
          throw unreadable();
      }
    },

    async abandon() {
      const reading = [...pending].filter(([, reads]) => reads);
      await Promise.all(reading.map(([command]) => api.cancel(command).catch(() => {})));
    },

    close() {
      const cancelled = [...pending.keys()].map((command) => api.cancel(command).catch(() => {}));
      pending.clear();
      instance = undefined;
      void Promise.all(cancelled).then(() => api.close());
    },
  };
}

/** Quick at first, as most answers are; then gentle with the account's limits, and never in step with others. */
export function pauseMilliseconds(poll: number, random = Math.random()): number {
  const base = [300, 400, 600, 900, 1300][poll] ?? 2000;
  return base + random * base * 0.5;
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((wake) => setTimeout(wake, milliseconds));
}

async function inParallel<T>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      await work(items[index] as T, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, items.length) }, worker));
}
