import * as pulumi from "@pulumi/pulumi";
import { deserializeProperties } from "@pulumi/pulumi/runtime/rpc.js";

/** A resource as a program registers it, with its options. Urns are shortened to `type::name`. */
export interface Registration {
  readonly type: string;
  readonly name: string;
  readonly parent: string;
  readonly inputs: Record<string, unknown>;
  readonly dependsOn: string[];
  readonly protect: boolean;
  readonly retainOnDelete: boolean;
  readonly deleteBeforeReplace: boolean;
  readonly ignoreChanges: string[];
  readonly replaceOnChanges: string[];
  readonly secretOutputs: string[];
  /** Former names. */
  readonly aliases: string[];
  readonly provider: string;
  /** The id of an existing resource that is taken over. */
  readonly importId: string;
}

interface Request {
  getType(): string;
  getName(): string;
  getParent(): string;
  getObject(): never;
  getDependenciesList(): string[];
  getProtect(): boolean;
  getRetainondelete(): boolean;
  getDeletebeforereplace(): boolean;
  getIgnorechangesList(): string[];
  getReplaceonchangesList(): string[];
  getAdditionalsecretoutputsList(): string[];
  getAliasesList(): { getSpec(): { getName(): string } | undefined; getUrn(): string }[];
  getProvider(): string;
  getImportid(): string;
}
interface Monitor {
  registerResource(request: Request, callback: unknown): Promise<void>;
}

// Not in Pulumi's typings: the mocks tell a test of type, name and inputs only.
const internals = pulumi.runtime as unknown as { getMonitor(): Monitor };

/** After `setMocks`: what is registered from now on, in order. */
export function recordRegistrations(): Registration[] {
  const all: Registration[] = [];
  const monitor = internals.getMonitor();
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, callback) => {
    all.push(registrationOf(request));
    return register(request, callback);
  };
  return all;
}

function registrationOf(request: Request): Registration {
  return {
    type: request.getType(),
    name: request.getName(),
    parent: shortUrn(request.getParent()),
    inputs: deserializeProperties(request.getObject()) as Record<string, unknown>,
    dependsOn: request.getDependenciesList().map(shortUrn).sort(),
    protect: request.getProtect() === true,
    retainOnDelete: request.getRetainondelete() === true,
    deleteBeforeReplace: request.getDeletebeforereplace() === true,
    ignoreChanges: request.getIgnorechangesList(),
    replaceOnChanges: request.getReplaceonchangesList(),
    secretOutputs: request.getAdditionalsecretoutputsList(),
    aliases: request.getAliasesList().map((one) => one.getSpec()?.getName() ?? one.getUrn()),
    provider: request.getProvider(),
    importId: request.getImportid(),
  };
}

function shortUrn(urn: string): string {
  const [, , type = "", name = ""] = urn.split("::");
  return urn === "" ? "" : `${type.split("$").at(-1)}::${name}`;
}
