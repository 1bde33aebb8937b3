import type { Connection } from "../contract/connection.ts";
import type { AnyManifest } from "../contract/manifest.ts";
import type { ManifestEnv } from "../contract/manifest-env.ts";
import { releaseId } from "../contract/release-id.ts";
import type { Evaluation } from "../contract/resources.ts";
import { mapValues } from "./map-values.ts";
import { requireReviewed } from "./plan-file.ts";
import * as pulumi from "./pulumi.ts";
import { Build, getRelease } from "./resources.ts";
import {
  type ManifestRelease,
  type StackRelease,
  type TakenRelease,
  takeFromFile,
  takeFromStack,
} from "./taken-release.ts";

/** Build a revision on the builder. */
export interface BuildRelease {
  readonly from: "build";
  readonly builder: Connection;
  /** Path of the git repository on the builder. */
  readonly repo: string;
  /** Branch, tag or commit. */
  readonly rev: string;
  /** The revision must be on this branch. Default: any. */
  readonly branch?: string | undefined;
  /** Refuse a working tree with changes that are in no commit. */
  readonly requireClean: boolean;
  /** The nixosConfigurations that make up the release. */
  readonly hosts: (string | { readonly name: string; readonly system: string })[];
  /** Packages that the hosts share, for each of their systems. */
  readonly components: string[];
  /** Of hosts that are given by name alone. */
  readonly system: string;
  /** Mutable data that the release changes the form of. */
  readonly changesSchema?: string[] | undefined;
  /** Path of Nix's secret key on the builder. Default: unsigned. */
  readonly signingKeyFile?: string | undefined;
  /** Path of an SSH private key on the builder, which signs the manifest. Default: unsigned. */
  readonly manifestKeyFile?: string | undefined;
  /** Releases that the builder holds against garbage collection, this one among them. */
  readonly keep: number;
  readonly evaluationSeconds: number;
  readonly buildSeconds: number;
}

/** Stands in for what the settings say of a release, until it is removed. */
export type Pin =
  | { readonly rev: string }
  | { readonly manifest: string; readonly builder?: Connection | undefined };

/**
 * One revision, evaluated once and built once: a toplevel for each host.
 *
 *     const release = await Release.from("release", { from: "stack", stack: "grind" });
 *     release.toplevel("choiros-prod"); // Output<"/nix/store/…">
 */
export class Release extends pulumi.ComponentResource {
  readonly rev: string;
  readonly subject: string;
  /** Where the paths come from; undefined: they must be on the host. */
  readonly builder: Connection | undefined;
  readonly manifest: pulumi.Output<AnyManifest | ManifestEnv>;
  /** Of a release that somebody else has built; one of our own has its id once it is built. */
  readonly knownId: string | null;
  private readonly paths: Paths;

  /** Settles what the release is, before any resource is registered. */
  static async from(
    name: string,
    args: BuildRelease | StackRelease | ManifestRelease,
    pin?: Pin,
  ): Promise<Release> {
    const settled = await settle(args, pin);
    const { rev } = "evaluation" in settled ? settled.evaluation : settled.manifest;
    requireReviewed(rev, knownIdOf(settled));
    const release = new Release(name, settled);
    if (pin !== undefined && pulumi.isDryRun())
      await pulumi.log.info(
        `Pinned to release ${release.rev.slice(0, 12)} by [pin], whatever [release] says, until \`pulumi config rm pin\`.`,
        release,
      );
    return release;
  }

  constructor(
    name: string,
    args: Evaluated | TakenRelease,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("choiros:index:Release", name, {}, opts);
    const settled = "evaluation" in args ? args.evaluation : args.manifest;
    this.rev = settled.rev;
    this.subject = "subject" in settled ? settled.subject : "from an .env manifest";
    this.builder = args.builder;
    this.manifest =
      "evaluation" in args ? createBuild(name, args, this) : pulumi.output(args.manifest);
    this.knownId = knownIdOf(args);
    this.paths = "evaluation" in args ? evaluatedPaths(args.evaluation) : builtPaths(args.manifest);
    this.registerOutputs({ rev: this.rev, subject: this.subject, manifest: this.manifest });
  }

  /** SHA-256 of what was built. */
  get id(): pulumi.Output<string> {
    return this.manifest.apply(idOf);
  }

  /** What another stack needs to take this release over. */
  get offer(): { manifest: Release["manifest"]; builder: Connection | undefined } {
    return { manifest: this.manifest, builder: this.builder };
  }

  /** What a host keeps of it: of a fleet with its own system alone, as it would else grow with the square of the fleet. */
  manifestOf(host?: string): Release["manifest"] {
    if (host === undefined) return this.manifest;
    return this.manifest.apply((manifest) => {
      const own = manifest.schema === 2 ? manifest.hosts[host] : undefined;
      if (manifest.schema !== 2 || own === undefined) return manifest;
      const { id: _id, signature: _signature, ...part } = { ...manifest, hosts: { [host]: own } };
      return { ...part, id: releaseId(part) };
    });
  }

  /** The system that the release has for a host. A preview knows it before it is built. */
  toplevel(host: string, setting = "host.name"): pulumi.Output<string> {
    const { hosts } = this.paths;
    const found = hosts[host];
    if (found === undefined) {
      throw new pulumi.RunError(
        `[${setting}] release ${this.rev.slice(0, 12)} has no system for ${host}; it has ${Object.keys(hosts).join(", ") || "none"}. ` +
          "Add the host to [release.hosts] of the stack that builds.",
      );
    }
    return this.built(found.path);
  }

  /** A package that the release ships, for a host's system. */
  component(name: string, host: string): pulumi.Output<string> {
    const { hosts, components } = this.paths;
    const systems = Object.keys(components);
    // A host that only gets links need not be one of the release.
    const system = hosts[host]?.system ?? (systems.length === 1 ? systems[0] : undefined);
    const shipped = components[system ?? ""] ?? {};
    const path = shipped[name];
    if (path === undefined) {
      throw new pulumi.RunError(
        `[activation.links.files] release ${this.rev.slice(0, 12)} ships no component ${name}; it ships ${Object.keys(shipped).join(", ") || "none"}. ` +
          "Add it to [release.components] of the stack that builds.",
      );
    }
    return this.built(path);
  }

  private built(path: string): pulumi.Output<string> {
    return pulumi.isDryRun() ? pulumi.output(path) : this.manifest.apply(() => path);
  }
}

/** Of each host its system, of each system its components. */
interface Paths {
  readonly hosts: Record<string, { readonly path: string; readonly system?: string }>;
  readonly components: Record<string, Record<string, string>>;
}

function knownIdOf(settled: Evaluated | TakenRelease): string | null {
  return "evaluation" in settled ? null : idOf(settled.manifest);
}

function idOf(manifest: AnyManifest | ManifestEnv): string {
  return manifest.schema === 2 ? manifest.id : releaseId(manifest);
}

type Evaluated = BuildRelease & { readonly evaluation: Evaluation };

async function settle(
  args: BuildRelease | StackRelease | ManifestRelease,
  pin: Pin | undefined,
): Promise<Evaluated | TakenRelease> {
  if (args.from === "build")
    return {
      ...args,
      evaluation: await evaluate(args, pin !== undefined && "rev" in pin ? pin.rev : undefined),
    };
  if (pin !== undefined && "manifest" in pin)
    return takeFromFile(
      { ...args, from: "manifest", file: pin.manifest, builder: pin.builder },
      "pin.manifest",
    );
  return args.from === "stack" ? takeFromStack(args) : takeFromFile(args, "release.file");
}

/** A pinned revision says itself what is to be built: the working tree is not asked. */
async function evaluate(args: BuildRelease, pinned: string | undefined): Promise<Evaluation> {
  const { builder, repo, rev, branch, requireClean, hosts, components, evaluationSeconds } = args;
  try {
    return await getRelease({
      ...{ connection: builder, repo, rev: pinned ?? rev },
      ...(branch === undefined ? {} : { branch }),
      requireClean: requireClean && pinned === undefined,
      hosts: Object.fromEntries(
        hosts.map((host) =>
          typeof host === "string" ? [host, args.system] : [host.name, host.system],
        ),
      ),
      ...{ components, timeoutSeconds: evaluationSeconds },
    });
  } catch (error) {
    if (pinned === undefined || !(error instanceof Error)) throw error;
    throw new pulumi.RunError(error.message.replaceAll("[release.rev]", "[pin.rev]"));
  }
}

function createBuild(name: string, args: Evaluated, parent: Release): pulumi.Output<AnyManifest> {
  const { builder, evaluation, signingKeyFile, manifestKeyFile, changesSchema } = args;
  const build = new Build(
    `${name}-build`,
    {
      ...{ connection: builder, ...evaluation, keep: args.keep, timeoutSeconds: args.buildSeconds },
      ...(signingKeyFile === undefined ? {} : { signingKeyFile }),
      ...(manifestKeyFile === undefined ? {} : { manifestKeyFile }),
      ...(changesSchema === undefined ? {} : { changesSchema }),
    },
    { parent },
  );
  return build.manifest;
}

function evaluatedPaths({ hosts, components }: Evaluation): Paths {
  return {
    hosts: mapValues(hosts, ({ outPath, system }) => ({ path: outPath, system })),
    components: mapValues(components, (of) => mapValues(of, ({ outPath }) => outPath)),
  };
}

function builtPaths(manifest: AnyManifest | ManifestEnv): Paths {
  const pathsOf = (of: Record<string, { path: string }>) => mapValues(of, ({ path }) => path);
  return {
    hosts: manifest.schema === "env" ? {} : manifest.hosts,
    components:
      manifest.schema === 2
        ? mapValues(manifest.components, pathsOf)
        : { "": pathsOf(manifest.components) },
  };
}
