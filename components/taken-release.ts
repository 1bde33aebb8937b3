import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { z } from "zod";
import { type Connection, connection } from "../contract/connection.ts";
import { healthyTooShort } from "../contract/healthy-for.ts";
import { type AnyManifest, anyManifest } from "../contract/manifest.ts";
import type { ManifestEnv } from "../contract/manifest-env.ts";
import { releaseId, signedText } from "../contract/release-id.ts";
import * as pulumi from "./pulumi.ts";
import { verifySignature } from "./resources.ts";

/** Take the release that another stack runs. */
export interface StackRelease {
  readonly from: "stack";
  readonly stack: string;
  /** For how long the other stack must have run it healthy. Default: 0. */
  readonly minHealthySeconds?: number | undefined;
  /** Path from the project of a file of ssh-keygen: one of these must have signed it. Default: not asked for. */
  readonly allowedSigners?: string | undefined;
}

/** Take the release of a manifest that was kept. */
export interface ManifestRelease {
  readonly from: "manifest";
  /** Path from the project; a name in .env is read as the shell variables of programs. */
  readonly file: string;
  /** Who has the closures. Default: the host itself. */
  readonly builder?: Connection | undefined;
  readonly allowedSigners?: string | undefined;
}

/** A release that was built before, and passed every gate on the way here. */
export interface TakenRelease {
  readonly manifest: AnyManifest | ManifestEnv;
  readonly builder: Connection | undefined;
}

/** What another stack says that it runs. */
export async function takeFromStack(args: StackRelease): Promise<TakenRelease> {
  const { stack, minHealthySeconds = 0 } = args;
  const reference = new pulumi.StackReference("release.stack", { name: stackName(stack) });
  const [release, healthy, healthySince] = await Promise.all(
    ["release", "healthy", "healthySince"].map(
      async (name) => (await reference.getOutputDetails(name)).value as unknown,
    ),
  );
  if (!isOffered(release) || healthy !== true)
    throw refused(
      "release.stack",
      `${stack} offers no release that it runs healthy. Run \`pulumi up --stack ${stack}\` first.`,
    );
  const again = `Run \`pulumi up --stack ${stack}\` with this version of the program.`;
  const what = `The release that ${stack} offers`;
  const builder = connection.safeParse(release.builder);
  if (!builder.success)
    throw refused("release.stack", `${what} says no way to its builder. ${again}`);
  const manifest = read(release.manifest, { setting: "release.stack", what, advice: again });
  if (manifest.rev !== release.rev)
    throw refused("release.stack", `${what} is not the one which that stack runs. ${again}`);
  requireHealthyFor(minHealthySeconds, { stack, manifest, healthySince });
  const sign = `set [release.manifestKeyFile] there, and run \`pulumi up --stack ${stack}\``;
  await requireSigned(manifest, args.allowedSigners, { what, sign });
  return { manifest, builder: builder.data };
}

/** What a file says. `setting` is the one that named the file. */
export async function takeFromFile(args: ManifestRelease, setting: string): Promise<TakenRelease> {
  const { file, builder, allowedSigners } = args;
  const what = `The manifest ${file}`;
  const source = { setting, what, advice: "Take the file as it was written, or another one." };
  const text = textOf(file, setting);
  const manifest = file.endsWith(".env")
    ? await readEnv(text, source)
    : read(
        attempt(() => JSON.parse(text) as unknown, source),
        source,
      );
  await requireSigned(manifest, allowedSigners, { what, sign: "take one that was signed" });
  return { manifest, builder };
}

async function readEnv(text: string, source: Source): Promise<ManifestEnv> {
  const { parseManifestEnv } = await import("../contract/manifest-env.ts");
  return attempt(() => parseManifestEnv(text), source);
}

function textOf(file: string, setting: string): string {
  try {
    return readFileSync(resolve(file), "utf8");
  } catch (error) {
    throw refused(
      setting,
      `The manifest ${file} cannot be read: ${sentenceOf(error)}. The path is from the project.`,
    );
  }
}

function attempt<T>(reading: () => T, { setting, what, advice }: Source): T {
  try {
    return reading();
  } catch (error) {
    throw refused(setting, `${what} cannot be taken: ${sentenceOf(error)}. ${advice}`);
  }
}

function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

interface Source {
  readonly setting: string;
  readonly what: string;
  readonly advice: string;
}

function read(value: unknown, { setting, what, advice }: Source): AnyManifest {
  const result = anyManifest.safeParse(value);
  if (!result.success)
    throw refused(setting, `${what} cannot be taken: ${firstOf(result.error)}. ${advice}`);
  const manifest = result.data;
  if (manifest.schema === 2 && manifest.id !== releaseId(manifest))
    throw refused(setting, `${what} was changed: its id is not that of its content. ${advice}`);
  return manifest;
}

function firstOf({ issues: [issue] }: z.ZodError): string {
  if (issue === undefined) return "";
  const { path, message } = issue;
  return path.length === 0 ? message : `${path.join(".")} ${message}`;
}

interface Claim {
  readonly stack: string;
  readonly manifest: AnyManifest;
  readonly healthySince: unknown;
}

/** The other host's own clock says since when, ours what time it is. */
function requireHealthyFor(minimum: number, { stack, manifest, healthySince }: Claim): void {
  const it = `${stack} runs release ${manifest.rev.slice(0, 12)} healthy`;
  const now = Math.floor(Date.now() / 1000);
  const because = healthyTooShort({ it, stack, minimum, healthySince, now });
  if (because !== undefined) throw refused("release.minHealthySeconds", because);
}

async function requireSigned(
  manifest: AnyManifest | ManifestEnv,
  allowedSigners: string | undefined,
  { what, sign }: { readonly what: string; readonly sign: string },
): Promise<void> {
  if (allowedSigners === undefined) return;
  const setting = "release.allowedSigners";
  const file = resolve(allowedSigners);
  if (!existsSync(file))
    throw refused(setting, `There is no file ${allowedSigners}. The path is from the project.`);
  if (manifest.schema !== 2 || manifest.signature === undefined)
    throw refused(setting, `${what} is not signed: ${sign}.`);
  const { signature } = manifest;
  await verifySignature({ text: signedText(manifest), signature, allowedSigners: file }).catch(
    (error: Error) => {
      throw refused(setting, `${what} is not to be trusted. ${error.message} Nothing was touched.`);
    },
  );
}

function refused(setting: string, sentence: string): Error {
  return new pulumi.RunError(`[${setting}] ${sentence}`);
}

interface Offered {
  readonly rev?: unknown;
  readonly manifest?: unknown;
  readonly builder?: unknown;
}

function isOffered(value: unknown): value is Offered {
  return typeof value === "object" && value !== null;
}

/** A bare name means a stack of this project. */
export function stackName(stack: string): string {
  const parts = stack.split("/");
  if (parts.length === 3) return stack;
  const [project, name] = parts.length === 2 ? parts : [pulumi.getProject(), stack];
  return `${pulumi.getOrganization()}/${project}/${name}`;
}
