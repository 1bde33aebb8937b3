import type { z } from "zod";

export interface PropertyFailure {
  property: string;
  reason: string;
}

// Pulumi's marks in raw properties: sdk/nodejs/runtime/rpc.ts of @pulumi/pulumi.
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const SIGNATURE = "4dabf18193072939515e22adb298388d";

/** Everything wrong with the inputs, by property. What a preview does not know yet is not wrong. */
export function checkInputs(schema: z.ZodType, inputs: unknown): PropertyFailure[] {
  const secret = pathOfSecret(inputs, []);
  if (secret !== undefined)
    return [
      { property: pathText(secret), reason: "must not be a secret: state and messages show it" },
    ];
  const parsed = schema.safeParse(inputs);
  if (parsed.success) return [];
  return flattenIssues(parsed.error.issues)
    .filter((issue) => issue.certain || !leadsToUnknown(inputs, issue.path))
    .map((issue) => ({ property: pathText(issue.path), reason: issue.message }));
}

interface Issue {
  readonly path: PropertyKey[];
  readonly message: string;
  /** Wrong whatever the value will be. */
  readonly certain: boolean;
}

function flattenIssues(issues: readonly z.core.$ZodIssue[]): Issue[] {
  return issues.flatMap((issue): Issue[] => {
    const { path, message } = issue;
    if (issue.code === "unrecognized_keys")
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: "is not a known setting",
        certain: true,
      }));
    if (issue.code === "invalid_key")
      return issue.issues.map((inner) => ({ path, message: inner.message, certain: true }));
    return [{ path, message, certain: false }];
  });
}

/** `probes[0].url`, as Pulumi writes paths. */
export function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`))
    .join("")
    .replace(/^\./, "");
}

function leadsToUnknown(value: unknown, path: readonly PropertyKey[]): boolean {
  let at = value;
  for (const key of path) {
    if (at === UNKNOWN) return true;
    at = isRecord(at) || Array.isArray(at) ? (at as Record<PropertyKey, unknown>)[key] : undefined;
  }
  return containsUnknown(at);
}

/** A preview does not know everything yet. */
export function containsUnknown(value: unknown): boolean {
  if (value === UNKNOWN) return true;
  return (isRecord(value) || Array.isArray(value)) && Object.values(value).some(containsUnknown);
}

function pathOfSecret(value: unknown, path: PropertyKey[]): PropertyKey[] | undefined {
  if (!isRecord(value) && !Array.isArray(value)) return undefined;
  if (isRecord(value) && value[SIGNATURE] !== undefined) return path;
  const entries = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  for (const [key, item] of entries) {
    const found = pathOfSecret(item, [...path, key]);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
