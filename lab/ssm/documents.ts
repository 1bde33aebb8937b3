// SSM documents: which parameters they take, and the script that they become.
import { createHash } from "node:crypto";
import { ApiError } from "./errors.ts";

interface Parameter {
  readonly type: string;
  readonly default?: string | readonly string[];
  readonly allowedPattern?: string;
}

export interface Content {
  readonly schemaVersion: string;
  readonly description?: string;
  readonly parameters?: Readonly<Record<string, Parameter>>;
  readonly mainSteps: readonly {
    readonly action: string;
    readonly name: string;
    readonly inputs: {
      readonly runCommand: string | readonly string[];
      readonly timeoutSeconds?: string;
    };
  }[];
}

export interface Document {
  readonly name: string;
  readonly owner: string;
  readonly content: Content;
  /** What people know the plugin by in an invocation. */
  readonly plugin: string;
}

/** What an agent runs. */
export interface Script {
  readonly text: string;
  readonly seconds: number;
}

const LIMIT = 64 * 1024;
const DEFAULT_SECONDS = 3600;
const LONGEST_SECONDS = 172_800;

/** Amazon's own, as far as its parameters go; it is of schema 1.2 there. */
export const RUN_SHELL_SCRIPT: Document = {
  name: "AWS-RunShellScript",
  owner: "Amazon",
  plugin: "aws:runShellScript",
  content: {
    schemaVersion: "1.2",
    description: "Run a shell script or specify the commands to run.",
    parameters: {
      commands: { type: "StringList" },
      workingDirectory: { type: "String", default: "" },
      executionTimeout: {
        type: "String",
        default: `${DEFAULT_SECONDS}`,
        allowedPattern:
          "([1-9][0-9]{0,4})|(1[0-6][0-9]{4})|(17[0-1][0-9]{3})|(172[0-7][0-9]{2})|(172800)",
      },
    },
    mainSteps: [
      {
        action: "aws:runShellScript",
        name: "aws:runShellScript",
        inputs: { runCommand: "{{ commands }}", timeoutSeconds: "{{ executionTimeout }}" },
      },
    ],
  },
};

export function parseDocument(name: string, owner: string, text: string): Document {
  if (text.length > LIMIT)
    throw new ApiError("MaxDocumentSizeExceeded", "The size limit of a document is 64 KB.");
  let content: Content;
  try {
    content = JSON.parse(text) as Content;
  } catch {
    throw new ApiError("InvalidDocumentContent", "The content is not JSON.");
  }
  const [step] = content.mainSteps ?? [];
  if (content.schemaVersion !== "2.2" || step?.action !== "aws:runShellScript")
    throw new ApiError(
      "InvalidDocumentContent",
      "The lab knows documents of schema 2.2 with one step aws:runShellScript.",
    );
  return { name, owner, content, plugin: step.name };
}

export function hashOf({ content }: Document): string {
  return createHash("sha256").update(JSON.stringify(content)).digest("hex");
}

/** Checks the parameters of SendCommand and puts them into the document's script. */
export function scriptOf(document: Document, given: Readonly<Record<string, unknown>>): Script {
  const known = document.content.parameters ?? {};
  const size = JSON.stringify(given).length;
  if (size > LIMIT)
    throw new ApiError("MaxDocumentSizeExceeded", `The parameters have ${size} bytes.`);
  for (const [name, value] of Object.entries(given)) {
    if (known[name] === undefined)
      throw new ApiError("InvalidParameters", `The document has no parameter ${name}.`);
    if (!isTextList(value))
      throw new ApiError("SerializationException", `${name} must be a list of strings.`);
  }
  const values: Record<string, readonly string[]> = {};
  for (const [name, parameter] of Object.entries(known))
    values[name] = parameterValue(name, parameter, given[name] as string[] | undefined);
  const [step] = document.content.mainSteps;
  const lines = [step?.inputs.runCommand ?? []].flat();
  const text = lines.flatMap((line) => interpolateLine(line, values)).join("\n");
  return { text, seconds: secondsOf(interpolate(step?.inputs.timeoutSeconds ?? "", values)) };
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function parameterValue(name: string, parameter: Parameter, given: string[] | undefined): string[] {
  const value = given ?? (parameter.default === undefined ? undefined : [parameter.default].flat());
  if (value === undefined)
    throw new ApiError("InvalidParameters", `The parameter ${name} is missing.`);
  if (parameter.type === "String" && value.length !== 1)
    throw new ApiError("InvalidParameters", `The parameter ${name} takes one value.`);
  const pattern = parameter.allowedPattern;
  for (const item of value)
    if (pattern !== undefined && !new RegExp(`^(?:${pattern})$`).test(item))
      throw new ApiError("InvalidParameters", `The parameter ${name} does not match ${pattern}.`);
  return [...value];
}

/** A line that is nothing but a list stands for all its lines. */
function interpolateLine(line: string, values: Record<string, readonly string[]>): string[] {
  const whole = /^\{\{ *([\w]+) *\}\}$/.exec(line)?.[1];
  const list = whole === undefined ? [line] : (values[whole] ?? [line]);
  return list.map((item) => interpolate(item, values));
}

/** As SSM does, also within what a user sent: the trap that base64 avoids. */
function interpolate(text: string, values: Record<string, readonly string[]>): string {
  return text.replace(/\{\{ *([\w:./-]+) *\}\}/g, (whole, name: string) => {
    if (name.startsWith("ssm:"))
      throw new ApiError("ParameterNotFound", `Parameter ${name.slice("ssm:".length)} not found.`);
    return values[name]?.join("\n") ?? whole;
  });
}

/** The agent takes what is out of range for an hour, in silence. */
function secondsOf(text: string): number {
  const seconds = Number(text);
  return Number.isInteger(seconds) && seconds > 0 && seconds <= LONGEST_SECONDS
    ? seconds
    : DEFAULT_SECONDS;
}
