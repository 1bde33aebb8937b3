import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";

/** One question to `aws-ssm-run.sh` on the host. Every value is made of letters, digits, +, / and =. */
export interface Question {
  /** `run` a request, or `put` a piece of one, or `get` more of an answer. */
  readonly action: "run" | "put" | "get";
  /** What runs once, however often it is delivered. */
  readonly request?: string;
  /** Base64 of the packed script and input, or of a piece of it. */
  readonly payload?: string;
  /** Hash of a payload that comes in pieces. */
  readonly upload?: string;
  readonly offset?: number;
  readonly scriptBytes?: number;
  /** Seconds to wait for the same request if it runs already. */
  readonly patience?: number;
}

export type Reply =
  | {
      readonly kind: "answer";
      readonly code: number;
      readonly stderr: string;
      /** Size of the packed stdout, of which the first bytes are here. */
      readonly size: number;
      readonly packed: Buffer;
    }
  | { readonly kind: "get"; readonly packed: Buffer }
  /** `running`: by an earlier delivery; `cut`: it began once and was ended from outside. */
  | { readonly kind: "put" | "running" | "cut" | "unreadable" };

/** SSM's own document, which every account has. */
export const DEFAULT_DOCUMENT = "AWS-RunShellScript";

/** A command may have 64 KB in all, and the script around the payload takes its part. */
export const PAYLOAD_LIMIT = 48_000;

const RUN_SCRIPT = fileURLToPath(new URL("aws-ssm-run.sh", import.meta.url));
let runScript: string[] | undefined;

/** The lines that run on the host, the same for every question. */
function runScriptLines(): string[] {
  runScript ??= readFileSync(RUN_SCRIPT, "utf8").trimEnd().split("\n");
  return runScript;
}

export function pack(script: string, input: string): string {
  return gzipSync(`${script}${input}`, { level: 9 }).toString("base64");
}

/** Base64 can be cut between any four characters. */
export function piecesOf(payload: string): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < payload.length; at += PAYLOAD_LIMIT)
    pieces.push(payload.slice(at, at + PAYLOAD_LIMIT));
  return pieces;
}

/** The parameters of SendCommand: JSON lists of texts, in which SSM has nothing to interpolate. */
export function parametersOf(
  question: Question,
  document: string,
  executionSeconds: number,
): Record<string, string[]> {
  const values = valuesOf(question);
  const executionTimeout = [String(executionSeconds)];
  if (document !== DEFAULT_DOCUMENT)
    return {
      ...Object.fromEntries(Object.entries(values).map(([name, value]) => [name, [value]])),
      executionTimeout,
    };
  const assignments = Object.entries(values).map(([name, value]) => `${snake(name)}='${value}'`);
  return { commands: [...assignments, ...runScriptLines()], executionTimeout };
}

const TEXT = "^[A-Za-z0-9+/=]*$";
const HEX = "^([0-9a-f]{32,64})?$";
const NUMBER = "^[0-9]{1,9}$";

const PATTERNS: Record<keyof Question, string> = {
  action: "^(run|put|get)$",
  request: HEX,
  upload: HEX,
  payload: TEXT,
  offset: NUMBER,
  scriptBytes: NUMBER,
  patience: NUMBER,
};

function valuesOf(question: Question): Record<keyof Question, string> {
  const values: Record<keyof Question, string> = {
    action: question.action,
    request: question.request ?? "",
    upload: question.upload ?? "",
    payload: question.payload ?? "",
    offset: String(question.offset ?? 0),
    scriptBytes: String(question.scriptBytes ?? 0),
    patience: String(question.patience ?? 0),
  };
  for (const [name, value] of Object.entries(values))
    if (!new RegExp(PATTERNS[name as keyof Question]).test(value))
      throw new Error(`${name} of a command for SSM is not of its alphabet`);
  return values;
}

/** An SSM document that runs nothing but our script, on values in which no shell text fits. */
export function ownDocument(): object {
  const names = Object.keys(PATTERNS) as (keyof Question)[];
  const parameters = names.map((name) => [
    name,
    {
      type: "String",
      ...(name === "action" ? {} : { default: PATTERNS[name] === NUMBER ? "0" : "" }),
      allowedPattern: PATTERNS[name],
    },
  ]);
  return {
    schemaVersion: "2.2",
    description: "Runs the host scripts of nixos-promote.",
    parameters: {
      ...Object.fromEntries(parameters),
      executionTimeout: { type: "String", default: "3600", allowedPattern: "^[1-9][0-9]{0,5}$" },
    },
    mainSteps: [
      {
        action: "aws:runShellScript",
        name: "run",
        precondition: { StringEquals: ["platformType", "Linux"] },
        inputs: {
          timeoutSeconds: "{{ executionTimeout }}",
          runCommand: [
            ...names.map((name) => `${snake(name)}='{{ ${name} }}'`),
            ...runScriptLines(),
          ],
        },
      },
    ],
  };
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** What the host's script said; undefined when it said nothing that we know, as after a crash. */
export function replyOf(stdout: string): Reply | undefined {
  try {
    return parseReply(stdout);
  } catch {
    return undefined; // cut off in the middle
  }
}

function parseReply(stdout: string): Reply | undefined {
  const [head = "", first = "", second = ""] = stdout.split("\n");
  const [mark, kind, , code, size] = head.split(" ");
  if (mark !== "nixos-promote") return undefined;
  switch (kind) {
    case "answer": {
      const stderr = gunzipSync(Buffer.from(first, "base64")).toString("utf8");
      const packed = Buffer.from(second, "base64");
      return { kind, code: Number(code), stderr, size: Number(size), packed };
    }
    case "get":
      return { kind, packed: Buffer.from(first, "base64") };
    case "put":
    case "running":
    case "cut":
    case "unreadable":
      return { kind };
    default:
      return undefined;
  }
}

export function unpack(packed: Buffer): string {
  return gunzipSync(packed).toString("utf8");
}
