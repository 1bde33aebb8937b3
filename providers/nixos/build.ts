import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { builtPath, type Manifest } from "../../contract/manifest.ts";
import { releaseId, signedText } from "../../contract/release-id.ts";
import {
  type BuildInputs,
  type BuildOutputs,
  buildInputs,
  evaluation,
} from "../../contract/resources.ts";
import { namingSetting } from "../errors.ts";
import { call } from "../executors/executor.ts";
import type { Reporter } from "./engine.ts";
import { runJob } from "./job.ts";
import { observe, observed } from "./observation.ts";
import type { Resource } from "./resource.ts";
import { reach } from "./route.ts";

/**
 * A release, built once on the builder.
 *
 *     create  -> realise every toplevel and component, sign them, root them under the revision; write the manifest
 *     refresh -> all still valid and rooted? else it is gone
 *     update  -> the same for another revision; roots of releases that are too old are given up last
 *     delete  -> give up all roots
 */
export const build: Resource<BuildInputs, BuildOutputs> = {
  inputs: buildInputs,

  diff(state, wanted) {
    return { changes: !isDeepStrictEqual(inputsOf(state), wanted) };
  },

  async create(wanted, report) {
    const manifest = await signed(manifestOf(wanted, await realise(wanted, report)), wanted);
    return { id: wanted.rev, outputs: { ...wanted, manifest } };
  },

  async refresh(state, { connection }) {
    return (await isComplete({ ...state, connection }, observed)) ? state : undefined;
  },

  async read(_id, state) {
    if (state === undefined) return undefined; // a build is cheap to make again, and cannot be told from its id
    return (await isComplete(state)) ? { inputs: inputsOf(state), outputs: state } : undefined;
  },

  async update(state, wanted, report) {
    const built = await realise(wanted, report);
    const manifest = await signed(
      manifestOf(wanted, { ...built, ...firstBuilt(state, wanted) }),
      wanted,
    );
    const { earlier, gone } = releasesBefore(state, wanted);
    const roots = rootNames(wanted);
    await giveUp(
      wanted,
      gone.filter((name) => !roots.includes(name)),
    );
    return { ...wanted, manifest, ...(earlier.length === 0 ? {} : { earlier }) };
  },

  async delete(state) {
    const earlier = state.earlier ?? [];
    await giveUp(state, [...rootNames(state), ...earlier.flatMap(({ roots }) => roots)]);
  },
};

/** The releases that are held beside the wanted one, and the roots that no release is held by any more. */
function releasesBefore(state: BuildOutputs, { rev, keep = 1 }: BuildInputs) {
  const all = [{ rev: state.rev, roots: rootNames(state) }, ...(state.earlier ?? [])];
  const others = all.filter((release) => release.rev !== rev);
  const earlier = others.slice(0, keep - 1);
  const gone = all.filter((release) => !earlier.includes(release)).flatMap(({ roots }) => roots);
  return { earlier, gone };
}

/** Is everything that was built still valid, and safe from garbage collection? */
async function isComplete(inputs: BuildInputs, ask = observe): Promise<boolean> {
  const outPaths = Object.entries(outPathsOf(inputs));
  const paths = outPaths.map(([, path]) => path);
  const seen = await ask(inputs.connection, { paths }, "release.builder");
  return outPaths.every(
    ([name, path]) =>
      seen.paths[path] === true && seen.roots[`${rootPrefix(inputs)}-${name}`] === path,
  );
}

const built = z.object({ paths: z.record(z.string(), builtPath), builtAt: z.number().int() });
type Built = z.infer<typeof built>;

function realise(wanted: BuildInputs, report: Reporter): Promise<Built> {
  const derivations = derivationsOf(wanted);
  return runJob(reach(wanted.connection, "release.builder"), {
    command: "build",
    unit: `nixos-promote-build-${wanted.rev.slice(0, 12)}`,
    what: `build of ${wanted.rev.slice(0, 12)} ${wanted.subject}`,
    whenStopped: "what was built stays in its store",
    whenAlone: "it builds to its end, and the next `pulumi up` goes on from there",
    argument: {
      rev: wanted.rev,
      flakeRef: wanted.flakeRef,
      drvs: Object.fromEntries(derivations.map(([name, { drvPath }]) => [name, drvPath])),
      ...systemsOf(wanted),
      rootPrefix: rootPrefix(wanted),
      signingKeyFile: wanted.signingKeyFile,
      manifestKeyFile: wanted.manifestKeyFile,
    },
    timeoutSeconds: wanted.timeoutSeconds,
    result: built,
    onStatus: (status) => report.progress(status.message ?? ""),
    say: (sentence) => report.info(sentence),
  }).catch((error) => {
    throw namingSetting(SETTINGS, error);
  });
}

function manifestOf(wanted: BuildInputs, { paths, builtAt }: Built): Manifest {
  const { rev, subject, committedAt, flakeRef, nixVersion, changesSchema } = wanted;
  const content: Omit<Manifest, "id"> = {
    ...{ schema: 2, rev, subject, committedAt, flakeRef, nixVersion, builtAt },
    hosts: mapValues(wanted.hosts, ({ system }, name) => ({
      ...builtPath.parse(paths[hostKey(name)]),
      system,
    })),
    components: mapValues(wanted.components, (packages, system) =>
      mapValues(packages, (_derivation, name) =>
        builtPath.parse(paths[componentKey(system, name)]),
      ),
    ),
    ...(changesSchema === undefined ? {} : { changesSchema }),
  };
  return { ...content, id: releaseId(content) };
}

/** The key signs on the builder, and stays there. */
async function signed(
  manifest: Manifest,
  { connection, manifestKeyFile }: BuildInputs,
): Promise<Manifest> {
  if (manifestKeyFile === undefined) return manifest;
  const { signature } = await call(
    reach(connection, "release.builder"),
    "sign",
    { keyFile: manifestKeyFile, text: signedText(manifest) },
    z.object({ signature: z.string() }),
  ).catch((error) => {
    throw namingSetting(SETTINGS, error);
  });
  return { ...manifest, signature };
}

/** Built again, the same release keeps its id. */
function firstBuilt({ manifest, ...state }: BuildOutputs, wanted: BuildInputs) {
  const evaluated = (of: BuildInputs) => evaluation.strip().safeParse(of).data;
  return manifest.schema === 2 && isDeepStrictEqual(evaluated(state), evaluated(wanted))
    ? { builtAt: manifest.builtAt }
    : {};
}

/** What a refusal of the builder is about. */
const SETTINGS = {
  "build-failed": "release.rev",
  "disk-full": "release.builder",
  "no-space": "release.builder",
  "signing-failed": "release.signingKeyFile",
  "manifest-signing-failed": "release.manifestKeyFile",
  "mixed-components": "release.components",
  "wrong-system": "release.hosts",
  busy: "release.builder",
};

function inputsOf({
  manifest: _manifest,
  earlier: _earlier,
  ...inputs
}: BuildOutputs): BuildInputs {
  return inputs;
}

type Derivation = BuildInputs["components"][string][string];

/** By the names of their roots. */
function derivationsOf({ hosts, components }: BuildInputs): [string, Derivation][] {
  return [
    ...Object.entries(hosts).map(([name, of]): [string, Derivation] => [hostKey(name), of]),
    ...Object.entries(components).flatMap(([system, of]): [string, Derivation][] =>
      isDerivation(of)
        ? [[`components-${system}`, of]]
        : Object.entries(of).map(([name, of]) => [componentKey(system, name), of]),
    ),
  ];
}

/** A state that is older than the systems has a component in their place. */
function isDerivation(of: object): of is Derivation {
  return "drvPath" in of && typeof of.drvPath === "string";
}

/** Whose components the hosts share. */
function systemsOf(wanted: BuildInputs) {
  const components = Object.entries(wanted.components).flatMap(([system, of]) =>
    Object.keys(of).map((name) => [componentKey(system, name), system]),
  );
  const systems = Object.entries(wanted.hosts).map(([name, { system }]) => [hostKey(name), system]);
  return { systems: Object.fromEntries(systems), components: Object.fromEntries(components) };
}

function hostKey(name: string): string {
  return `hosts-${name}`;
}

function componentKey(system: string, name: string): string {
  return `components-${system}-${name}`;
}

function mapValues<T, U>(of: Record<string, T>, change: (value: T, key: string) => U) {
  return Object.fromEntries(Object.entries(of).map(([key, value]) => [key, change(value, key)]));
}

function outPathsOf(inputs: BuildInputs): Record<string, string> {
  return Object.fromEntries(derivationsOf(inputs).map(([name, { outPath }]) => [name, outPath]));
}

function rootPrefix({ rev }: BuildInputs): string {
  return `build-${rev}`;
}

function rootNames(inputs: BuildInputs): string[] {
  return derivationsOf(inputs).map(([name]) => `${rootPrefix(inputs)}-${name}`);
}

async function giveUp({ connection }: BuildInputs, names: string[]): Promise<void> {
  if (names.length > 0)
    await call(
      reach(connection, "release.builder"),
      "root",
      { add: {}, remove: names },
      z.object({}),
    );
}
