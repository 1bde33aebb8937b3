import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { builtPath, type Manifest } from "../../contract/manifest.ts";
import { type BuildInputs, type BuildOutputs, buildInputs } from "../../contract/resources.ts";
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
 *     create  -> realise every toplevel and component, sign them, root them under the revision
 *     refresh -> all still valid and rooted? else it is gone
 *     update  -> the same for another revision; the old roots are given up last
 *     delete  -> give up the roots
 */
export const build: Resource<BuildInputs, BuildOutputs> = {
  inputs: buildInputs,

  diff(state, wanted) {
    return { changes: !isDeepStrictEqual(inputsOf(state), wanted) };
  },

  async create(wanted, report) {
    return { id: wanted.rev, outputs: { ...wanted, manifest: await realise(wanted, report) } };
  },

  async refresh(state, { connection }) {
    return (await isComplete({ ...state, connection }, observed)) ? state : undefined;
  },

  async read(_id, state) {
    if (state === undefined) return undefined; // a build is cheap to make again, and cannot be told from its id
    return (await isComplete(state)) ? { inputs: inputsOf(state), outputs: state } : undefined;
  },

  async update(state, wanted, report) {
    const manifest = await realise(wanted, report);
    const kept = rootNames(wanted);
    await giveUp(
      wanted,
      rootNames(state).filter((name) => !kept.includes(name)),
    );
    return { ...wanted, manifest };
  },

  async delete(state) {
    await giveUp(state, rootNames(state));
  },
};

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

async function realise(wanted: BuildInputs, report: Reporter): Promise<Manifest> {
  const derivations = derivationsOf(wanted);
  const drvs = Object.fromEntries(derivations.map(([name, { drvPath }]) => [name, drvPath]));
  const { paths } = await runJob(reach(wanted.connection, "release.builder"), {
    command: "build",
    unit: `nixos-promote-build-${wanted.rev.slice(0, 12)}`,
    what: `build of ${wanted.rev.slice(0, 12)} ${wanted.subject}`,
    whenStopped: "what was built stays in its store",
    whenAlone: "it builds to its end, and the next `pulumi up` goes on from there",
    argument: {
      rev: wanted.rev,
      flakeRef: wanted.flakeRef,
      drvs,
      rootPrefix: rootPrefix(wanted),
      signingKeyFile: wanted.signingKeyFile,
    },
    timeoutSeconds: wanted.timeoutSeconds,
    result: z.object({ paths: z.record(z.string(), builtPath), seconds: z.number() }),
    onStatus: (status) => report.progress(status.message ?? ""),
    say: (sentence) => report.info(sentence),
  }).catch((error) => {
    throw namingSetting(SETTINGS, error);
  });
  const pick = (group: "hosts" | "components") =>
    Object.fromEntries(
      Object.keys(wanted[group]).map((name) => [name, builtPath.parse(paths[`${group}-${name}`])]),
    );
  const { rev, subject, committedAt, flakeRef, nixVersion } = wanted;
  return {
    ...{ schema: 1, rev, subject, committedAt, flakeRef, nixVersion },
    hosts: pick("hosts"),
    components: pick("components"),
  };
}

/** What a refusal of the builder is about. */
const SETTINGS = {
  "build-failed": "release.rev",
  "disk-full": "release.builder",
  "no-space": "release.builder",
  "signing-failed": "release.signingKeyFile",
  busy: "release.builder",
};

function inputsOf({ manifest: _manifest, ...inputs }: BuildOutputs): BuildInputs {
  return inputs;
}

function derivationsOf(inputs: BuildInputs) {
  return (["hosts", "components"] as const).flatMap((group) =>
    Object.entries(inputs[group]).map(
      ([name, derivation]) => [`${group}-${name}`, derivation] as const,
    ),
  );
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
