import type { Policy, Statement } from "../../components/aws/policies.ts";

/** One call of AWS: `resource` is all that it touches, each of which has to be allowed. */
export interface AwsCall {
  readonly action: string;
  readonly resources?: readonly string[];
  /** Who calls, where a policy says for whom it holds: `{Federated: arn}`. */
  readonly principal?: Readonly<Record<string, string>>;
  readonly context?: Readonly<Record<string, string>>;
}

/**
 * Would AWS allow the call by these policies? As IAM decides: a denial wins, and what nobody has allowed
 * is denied. It knows what our policies use, and throws on anything else rather than guess.
 */
export function isAllowed(policies: readonly Policy[], call: AwsCall): boolean {
  const statements = policies.flatMap(({ Statement }) => Statement);
  for (const statement of statements) requireKnown(statement);
  return (call.resources ?? ["*"]).every((resource) => {
    const about = statements.filter((statement) => concerns(statement, call, resource));
    return (
      about.some(({ Effect }) => Effect === "Allow") &&
      !about.some(({ Effect }) => Effect === "Deny")
    );
  });
}

const KNOWN = ["Sid", "Effect", "Principal", "Action", "Resource", "Condition"];
const OPERATORS: Record<string, (wanted: string, given: string) => boolean> = {
  StringEquals: (wanted, given) => wanted === given,
  StringLike: (wanted, given) => matches(wanted, given),
  Bool: (wanted, given) => wanted === given,
};

function requireKnown(statement: Statement): void {
  const unknown = Object.keys(statement).filter((key) => !KNOWN.includes(key));
  const operators = Object.keys(statement.Condition ?? {}).filter(
    (operator) => !Object.hasOwn(OPERATORS, operator),
  );
  if (unknown.length + operators.length > 0)
    throw new Error(`the simulator does not know ${[...unknown, ...operators].join(", ")}`);
}

function concerns(statement: Statement, call: AwsCall, resource: string): boolean {
  const { Action, Resource = "*", Principal = "*", Condition = {} } = statement;
  return (
    // Actions are compared without regard to case, resources are not.
    listOf(Action).some((pattern) => matches(pattern.toLowerCase(), call.action.toLowerCase())) &&
    listOf(Resource).some((pattern) => matches(pattern, resource)) &&
    (Principal === "*" ||
      Object.entries(Principal).some(([kind, who]) => call.principal?.[kind] === who)) &&
    Object.entries(Condition).every(([operator, wanted]) =>
      Object.entries(wanted).every(([key, value]) => {
        const given = call.context?.[key];
        return given !== undefined && OPERATORS[operator]?.(value, given) === true;
      }),
    )
  );
}

function listOf(given: string | readonly string[]): readonly string[] {
  return typeof given === "string" ? [given] : given;
}

/** `*` stands for any text, `?` for one character. */
function matches(pattern: string, text: string): boolean {
  const literal = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${literal.replaceAll("*", ".*").replaceAll("?", ".")}$`, "s").test(text);
}
