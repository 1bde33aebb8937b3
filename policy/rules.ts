/** What a policy sees of a resource: its inputs, before anything is done. */
export interface Seen {
  readonly type: string;
  readonly props: Readonly<Record<string, unknown>>;
}

export interface Rule {
  readonly name: string;
  readonly description: string;
  /** Holds of production alone, not of every stack. */
  readonly production?: true;
  /** Sentences, each with its setting; none means that the resource may be so. */
  complaints(seen: Seen): string[];
}

/** Stacks that are production where no configuration says which are. */
export const PRODUCTION: readonly string[] = ["prod"];

export function isProduction(
  { urn, stackTags }: { readonly urn: string; readonly stackTags: ReadonlyMap<string, string> },
  stacks = PRODUCTION,
): boolean {
  const [, , stack = ""] = urn.split(":");
  return stacks.includes(stack) || stackTags.get("environment") === "production";
}

const BUILD = "nixos:index:Build";
const CLOSURE = "nixos:index:Closure";
const PROFILE = "nixos:index:SystemProfile";

export const RULES: readonly Rule[] = [
  {
    name: "production-builds-nothing",
    description: "Production takes what another stack or a manifest gives, and builds nothing.",
    production: true,
    complaints: ({ type, props }) => [
      ...when(type === BUILD, "[release.from] must be stack or manifest: this one builds."),
      ...when(
        type === CLOSURE && fieldOf(props["transport"], "hostBuildFallback") === true,
        "[copy.hostBuildFallback] must be false: the host would build what no cache has.",
      ),
      ...when(
        type === PROFILE && props["strategy"] === "flake",
        "[activation.strategy] must not be flake: the host would build from its own checkout.",
      ),
    ],
  },
  {
    name: "releases-are-signed",
    description: "What is built is signed, so that every host can tell where it comes from.",
    complaints: ({ type, props }) =>
      when(
        type === BUILD && props["signingKeyFile"] === undefined,
        "[release.signingKeyFile] must be given: closures would have no signature.",
      ),
  },
  {
    name: "production-checks-caches",
    description: "A cache without what is promoted, or without its signature, stops a promotion.",
    production: true,
    complaints: ({ type, props: { transport } }) =>
      when(
        type === CLOSURE &&
          fieldOf(transport, "via") === "cache" &&
          fieldOf(transport, "check") !== "fail",
        "[copy.check] must be fail: an ill cache would only be a warning.",
      ),
  },
  {
    name: "production-has-a-way-back",
    description: "A release becomes the boot default only after it was proven and confirmed.",
    production: true,
    complaints: ({ type, props }) =>
      type !== PROFILE
        ? []
        : [
            ...when(
              props["confirm"] !== true,
              "[activation.confirm] must be true: a host that cannot be reached would not go back.",
            ),
            ...when(
              props["mode"] === "immediate",
              "[activation.mode] must not be immediate: it is the boot default before it is proven.",
            ),
          ],
  },
  {
    name: "host-keys-are-known",
    description: "No host is trusted because it was the first to answer.",
    complaints: ({ type, props }) =>
      when(
        isOurs(type) && everyField(props).some(([, key, it]) => key === ACCEPT && it === true),
        `[connection.${ACCEPT}] must be false: give the hostKey, or put it into known_hosts.`,
      ),
  },
  {
    name: "no-secrets-in-plain-text",
    description: "No input of a host is a password, a token or a private key.",
    complaints: ({ type, props }) =>
      (isOurs(type) ? everyField(props) : [])
        .filter(([, key, value]) => typeof value === "string" && isSecret(key, value))
        // The value itself is nothing to print.
        .map(([path]) => `[${path}] looks like a secret: give the path of a file on the host.`),
  },
];

const ACCEPT = "acceptNewHostKey";

function when(holds: boolean, complaint: string): string[] {
  return holds ? [complaint] : [];
}

function isOurs(type: string): boolean {
  return type.startsWith("nixos:");
}

function fieldOf(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null
    ? (value as Record<string, unknown>)[key]
    : undefined;
}

type Field = readonly [path: string, key: string, value: unknown];

/** All that is in a value, however deep. */
function everyField(value: unknown, path = ""): Field[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const at = path === "" ? key : `${path}.${key}`;
    return [[at, key, inner] as const, ...everyField(inner, at)];
  });
}

const SECRETS: readonly RegExp[] = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----/,
  /\b(AKIA|ASIA)[A-Z0-9]{16}\b/,
  /\b(gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22,})\b/,
  /:\/\/[^/\s:@]+:[^/\s@]+@/, // a password in an address
];

function isSecret(key: string, value: string): boolean {
  const isNamedSo = /(password|passphrase|token|secret|apikey)$/i.test(key);
  return (isNamedSo && !/^[/~]|^$/.test(value)) || SECRETS.some((secret) => secret.test(value));
}
