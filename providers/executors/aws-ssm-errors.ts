import { Failure, type FailureKind } from "../errors.ts";

/** What AWS or its SDK said, as far as it tells cases apart. */
interface AwsError {
  readonly name: string;
  readonly message: string;
}

/** Turns an error of an AWS call into a sentence with the setting that mends it. Nothing was run unless `sent`. */
export function awsFailure(host: string, action: string, error: unknown, sent = false): Failure {
  if (error instanceof Failure) return error;
  const { name, message } = asAwsError(error);
  const found = CASES.find(([pattern]) => pattern.test(name) || pattern.test(message));
  const [, kind, advice] = found ?? [/./, "unreachable" as const, UNKNOWN];
  const outcome = sent ? " What was asked may have been done, or still run there." : "";
  const said = `(${action}: ${name}${message === "" ? "" : `: ${message}`})`;
  return new Failure(kind, `${host}: ${advice(action)}${outcome} ${said}`, { cause: error });
}

/** Passes by itself: asked again, it may be answered. */
export function isPassing(error: unknown): boolean {
  const { name, message } = asAwsError(error);
  return [THROTTLED, NETWORK, BROKEN].some((p) => p.test(name) || p.test(message));
}

/** The call may have reached AWS, which may have done what it asks. */
export function mayHaveArrived(error: unknown): boolean {
  const { name, message } = asAwsError(error);
  return [CUT_OFF, BROKEN].some((pattern) => pattern.test(name) || pattern.test(message));
}

const CUT_OFF = /^TimeoutError$|ECONNRESET|ECONNABORTED|EPIPE|ETIMEDOUT|socket hang up/;
const THROTTLED =
  /^(Throttl|TooManyRequests|RequestLimitExceeded|SlowDown)|^Rate exceeded|LimitExceeded/;
const NETWORK =
  /^(TimeoutError|NetworkingError|AbortError)$|ENOTFOUND|EAI_AGAIN|ECONN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EPIPE|socket hang up/;
const BROKEN = /^(InternalServerError|ServiceUnavailable|InternalFailure)/;

const UNKNOWN = () => "SSM did not take the call.";

const CASES: [RegExp, FailureKind, (action: string) => string][] = [
  [
    /^(ExpiredToken|RequestExpired|TokenProviderError)|token .*(has )?expired|session has expired/i,
    "auth",
    () => "the AWS credentials have expired. Sign in again (aws sso login), or set `profile`.",
  ],
  [
    /^(CredentialsProviderError|CredentialsError)$|Could not load credentials/,
    "auth",
    () =>
      "there are no AWS credentials. Set `profile`, or AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
  ],
  [
    /^(UnrecognizedClient|InvalidClientTokenId|InvalidSignature|SignatureDoesNotMatch|IncompleteSignature|MissingAuthenticationToken)/,
    "auth",
    () =>
      "AWS does not know these credentials, or the clock of this machine is wrong. Check `profile` and AWS_ACCESS_KEY_ID.",
  ],
  [
    /^AccessDenied|not authorized to perform/,
    "auth",
    (action) => `the IAM policy of these credentials lacks ${action} for it; see docs/aws-ssm.md.`,
  ],
  [
    /^InvalidInstanceId/,
    "unreachable",
    () =>
      "SSM has no such instance that is running and registered. Check `instanceId` and `region`, and that amazon-ssm-agent runs there.",
  ],
  [
    /^(InvalidDocument|DocumentNotFound)/,
    "refused",
    () => "there is no such SSM document. Check `document` and `region`, or create it.",
  ],
  [
    /^(InvalidParameters|ParameterNotFound|MaxDocumentSizeExceeded)/,
    "refused",
    () =>
      "the SSM document does not take our command. Create `document` again from docs/aws-ssm.md.",
  ],
  [/Region is missing/, "refused", () => "no AWS region is set. Set `region`, or AWS_REGION."],
  [
    THROTTLED,
    "unreachable",
    () => "AWS throttles the account's calls, and went on doing so. Try again later.",
  ],
  [
    NETWORK,
    "unreachable",
    () =>
      "the SSM endpoint cannot be reached. Check `region`, the network, and AWS_ENDPOINT_URL_SSM if it is set.",
  ],
];

function asAwsError(error: unknown): AwsError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const code = (error as NodeJS.ErrnoException).code;
  return { name: error.name === "Error" && code ? code : error.name, message: error.message };
}
