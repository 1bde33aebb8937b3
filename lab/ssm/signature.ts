// The check of AWS Signature Version 4, written from its documentation and not from an SDK.
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { ApiError } from "./errors.ts";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface SignedRequest {
  readonly method: string;
  /** Path and query, as in the request line. */
  readonly target: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

const SERVICE = "ssm";
const ALLOWED_SKEW_MS = 5 * 60_000;

/** Throws what AWS answers to a request that is not signed with these credentials for this region. */
export function requireSignature(
  request: SignedRequest,
  credentials: Credentials,
  region: string,
  now = Date.now(),
): void {
  const given = parseAuthorization(request.headers.authorization ?? "");
  if (given.accessKeyId !== credentials.accessKeyId)
    throw new ApiError(
      "UnrecognizedClientException",
      "The security token included in the request is invalid.",
    );
  const time = request.headers["x-amz-date"] ?? "";
  if (Math.abs(parseTime(time) - now) > ALLOWED_SKEW_MS)
    throw new ApiError(
      "InvalidSignatureException",
      `Signature expired or not yet current: ${time}`,
    );
  if (given.scope !== `${time.slice(0, 8)}/${region}/${SERVICE}/aws4_request`)
    throw new ApiError(
      "InvalidSignatureException",
      `Credential should be scoped to a valid region. The lab is in ${region}.`,
    );
  for (const name of ["host", "x-amz-date", "x-amz-target"])
    if (!given.signedHeaders.includes(name))
      throw new ApiError("InvalidSignatureException", `'${name}' must be a 'SignedHeader'.`);
  const expected = signatureOf(request, given, credentials.secretAccessKey, time);
  if (!equal(expected, given.signature))
    throw new ApiError(
      "InvalidSignatureException",
      "The request signature we calculated does not match the signature you provided.",
    );
}

interface Authorization {
  readonly accessKeyId: string;
  readonly scope: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

function parseAuthorization(header: string): Authorization {
  const [, accessKeyId, scope, signedHeaders, signature] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/([^,]+), *SignedHeaders=([^,]+), *Signature=([0-9a-f]{64})$/.exec(
      header,
    ) ?? [];
  if (!accessKeyId || !scope || !signedHeaders || !signature)
    throw new ApiError("MissingAuthenticationTokenException", "Missing Authentication Token");
  return { accessKeyId, scope, signedHeaders: signedHeaders.split(";"), signature };
}

function signatureOf(
  { method, target, headers, body }: SignedRequest,
  { scope, signedHeaders }: Authorization,
  secret: string,
  time: string,
): string {
  const [path = "/", query = ""] = target.split("?");
  const canonical = [
    method,
    path,
    query.split("&").sort().join("&"),
    ...signedHeaders.map((name) => `${name}:${(headers[name] ?? "").trim().replace(/ +/g, " ")}`),
    "",
    signedHeaders.join(";"),
    sha256(body),
  ].join("\n");
  const toSign = ["AWS4-HMAC-SHA256", time, scope, sha256(Buffer.from(canonical))].join("\n");
  const key = scope
    .split("/")
    .reduce<Buffer>((key, part) => hmac(key, part), Buffer.from(`AWS4${secret}`));
  return hmac(key, toSign).toString("hex");
}

function parseTime(text: string): number {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (parts === null) throw new ApiError("IncompleteSignatureException", "Date is missing.");
  const [, year, month, day, hour, minute, second] = parts;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

function sha256(data: Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

function equal(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}
