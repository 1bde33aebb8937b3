import { z } from "zod";
import { type Connection, connection } from "../contract/connection.ts";
import { type Manifest, manifest } from "../contract/manifest.ts";
import type { Evaluation } from "../contract/resources.ts";
import * as pulumi from "./pulumi.ts";
import { Build, getRelease } from "./resources.ts";

/** Build a revision on the builder. */
export interface BuildRelease {
  readonly from: "build";
  readonly builder: Connection;
  /** Path of the git repository on the builder. */
  readonly repo: string;
  /** Branch, tag or commit. */
  readonly rev: string;
  /** The nixosConfigurations that make up the release. */
  readonly hosts: string[];
  /** Packages that the hosts share. */
  readonly components: string[];
  readonly system: string;
  /** Path of Nix's secret key on the builder. Default: unsigned. */
  readonly signingKeyFile?: string | undefined;
  readonly evaluationSeconds: number;
  readonly buildSeconds: number;
}

/** Take the release that another stack runs. */
export interface StackRelease {
  readonly from: "stack";
  readonly stack: string;
}

/**
 * One revision, evaluated once and built once: a toplevel for each host.
 *
 *     const release = await Release.from("release", { from: "stack", stack: "grind" });
 *     release.toplevel("choiros-prod"); // Output<"/nix/store/…">
 */
export class Release extends pulumi.ComponentResource {
  readonly rev: string;
  readonly subject: string;
  /** Where the paths come from. */
  readonly builder: Connection;
  readonly manifest: pulumi.Output<Manifest>;
  private readonly toplevels: Record<string, string>;
  private readonly components: Record<string, string>;

  /** Settles what the release is, before any resource is registered. */
  static async from(name: string, args: BuildRelease | StackRelease): Promise<Release> {
    return args.from === "build"
      ? new Release(name, { ...args, evaluation: await evaluate(args) })
      : new Release(name, await offerOf(args.stack));
  }

  constructor(name: string, args: Evaluated | Offer, opts?: pulumi.ComponentResourceOptions) {
    super("choiros:index:Release", name, {}, opts);
    const settled = "evaluation" in args ? args.evaluation : args.manifest;
    this.rev = settled.rev;
    this.subject = settled.subject;
    this.builder = args.builder;
    this.manifest =
      "evaluation" in args ? createBuild(name, args, this) : pulumi.output(args.manifest);
    const { toplevels, components } =
      "evaluation" in args ? evaluatedPaths(args.evaluation) : builtPaths(args.manifest);
    this.toplevels = toplevels;
    this.components = components;
    this.registerOutputs({ rev: this.rev, subject: this.subject, manifest: this.manifest });
  }

  /** What another stack needs to take this release over. */
  get offer(): { manifest: pulumi.Output<Manifest>; builder: Connection } {
    return { manifest: this.manifest, builder: this.builder };
  }

  /** The system that the release has for a host. A preview knows it before it is built. */
  toplevel(host: string): pulumi.Output<string> {
    const path = this.toplevels[host];
    if (path === undefined) {
      throw new pulumi.RunError(
        `[host.name] release ${this.rev.slice(0, 12)} has no system for ${host}; it has ${Object.keys(this.toplevels).join(", ")}. ` +
          "Add the host to [release.hosts] of the stack that builds.",
      );
    }
    return this.built(path);
  }

  /** A package that the release ships. */
  component(name: string): pulumi.Output<string> {
    const path = this.components[name];
    if (path === undefined) {
      throw new pulumi.RunError(
        `[activation.links.files] release ${this.rev.slice(0, 12)} ships no component ${name}; it ships ${Object.keys(this.components).join(", ") || "none"}. ` +
          "Add it to [release.components] of the stack that builds.",
      );
    }
    return this.built(path);
  }

  private built(path: string): pulumi.Output<string> {
    return pulumi.isDryRun() ? pulumi.output(path) : this.manifest.apply(() => path);
  }
}

interface Paths {
  readonly toplevels: Record<string, string>;
  readonly components: Record<string, string>;
}

type Evaluated = BuildRelease & { readonly evaluation: Evaluation };

const offer = z.object({ manifest, builder: connection });
const offering = z.object({ release: offer, healthy: z.literal(true) });
type Offer = z.infer<typeof offer>;

function evaluate(args: BuildRelease): Promise<Evaluation> {
  const { builder, repo, rev, hosts, components, system, evaluationSeconds } = args;
  return getRelease({
    ...{ connection: builder, repo, rev, hosts, components, system },
    timeoutSeconds: evaluationSeconds,
  });
}

/** What another stack says that it runs. */
async function offerOf(stack: string): Promise<Offer> {
  const reference = new pulumi.StackReference("release.stack", { name: stackName(stack) });
  const [release, healthy] = await Promise.all(
    ["release", "healthy"].map((name) => reference.getOutputDetails(name)),
  );
  const offered = offering.safeParse({ release: release?.value, healthy: healthy?.value });
  if (offered.success) return offered.data.release;
  throw new pulumi.RunError(
    `[release.stack] ${stack} offers no release that it runs healthy. Run \`pulumi up --stack ${stack}\` first.`,
  );
}

/** A bare name means a stack of this project. */
function stackName(stack: string): string {
  const parts = stack.split("/");
  if (parts.length === 3) return stack;
  const [project, name] = parts.length === 2 ? parts : [pulumi.getProject(), stack];
  return `${pulumi.getOrganization()}/${project}/${name}`;
}

function createBuild(name: string, args: Evaluated, parent: Release): pulumi.Output<Manifest> {
  const { builder, evaluation, signingKeyFile, buildSeconds } = args;
  const inputs = { connection: builder, ...evaluation, timeoutSeconds: buildSeconds };
  const build = new Build(
    `${name}-build`,
    signingKeyFile === undefined ? inputs : { ...inputs, signingKeyFile },
    { parent },
  );
  return build.manifest;
}

function evaluatedPaths({ hosts, components }: Evaluation): Paths {
  const paths = (of: Evaluation["hosts"]) =>
    Object.fromEntries(Object.entries(of).map(([name, { outPath }]) => [name, outPath]));
  return { toplevels: paths(hosts), components: paths(components) };
}

function builtPaths({ hosts, components }: Manifest): Paths {
  const paths = (of: Manifest["hosts"]) =>
    Object.fromEntries(Object.entries(of).map(([name, { path }]) => [name, path]));
  return { toplevels: paths(hosts), components: paths(components) };
}
