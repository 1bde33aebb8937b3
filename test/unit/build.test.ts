import assert from "node:assert/strict";
import { anyManifest } from "../../contract/manifest.ts";
import { releaseId, signedText } from "../../contract/release-id.ts";
import type { BuildInputs, BuildOutputs } from "../../contract/resources.ts";
import { useExecutor } from "../../providers/executors/index.ts";
import { build } from "../../providers/nixos/build.ts";
import { silent } from "../../providers/nixos/engine.ts";
import { getRelease } from "../../providers/nixos/get-release.ts";
import { forgetObservations } from "../../providers/nixos/observation.ts";
import { FakeExecutor, type Script } from "../support/fake-executor.ts";
import { failureOf, startedAs, status } from "../support/jobs.ts";
import {
  EVALUATION,
  GRIND,
  hostState,
  MANIFEST,
  MANIFEST_1,
  pathOf,
  REV,
} from "../support/samples.ts";

const wanted: BuildInputs = { connection: GRIND, ...EVALUATION, timeoutSeconds: 60 };
const arm = {
  hosts: {
    ...EVALUATION.hosts,
    edge: { drvPath: `${pathOf("edge")}.drv`, outPath: pathOf("edge"), system: "aarch64-linux" },
  },
  components: {
    ...EVALUATION.components,
    "aarch64-linux": {
      hypervisor: { drvPath: `${pathOf("arm")}.drv`, outPath: pathOf("arm") },
    },
  },
};
const NAMES = {
  "hosts-choiros-grind": pathOf("nixos-system-choiros-grind-b"),
  "hosts-choiros-prod": pathOf("nixos-system-choiros-prod-b"),
  "hosts-edge": pathOf("edge"),
  "components-x86_64-linux-hypervisor": pathOf("hypervisor-1.5.0"),
  "components-aarch64-linux-hypervisor": pathOf("arm"),
};

const listed = (argument: ReadonlyMap<string, string>, key: string) =>
  Array.from({ length: Number(argument.get(`${key}.length`)) }, (_, i) =>
    argument.get(`${key}.${i}`),
  ).map(String);

describe("a build", () => {
  let builder: FakeExecutor;
  let builtAt = 1767225606;

  const built = () => ({
    paths: Object.fromEntries(
      Object.entries(NAMES).map(([name, path]) => [
        name,
        { path, narHash: "sha256-AAAA", narSize: 1000, closureSize: 5000 },
      ]),
    ),
    builtAt,
    seconds: 1,
  });

  const use = (script: Script = {}) => {
    builder = new FakeExecutor({
      start: ({ argument }) => startedAs(argument.get("id")),
      follow: () => status({ state: "finished", version: 9, result: built(), exitCode: 0 }),
      sign: () => ({ signature: "signed\n" }),
      root: () => ({}),
      ...script,
    });
    useExecutor(GRIND, builder);
    forgetObservations();
  };
  beforeEach(() => {
    builtAt = 1767225606;
    use();
  });

  const create = async (more: Partial<BuildInputs> = {}) =>
    (await build.create({ ...wanted, ...more }, silent)).outputs.manifest;

  it("says what was built in a manifest with its id, and signs nothing that it is not told to", async () => {
    assert.deepEqual(await create(), MANIFEST);
    assert.deepEqual(builder.asked("sign"), []);
  });

  it("of hosts of two systems has a system for each, and the components of both", async () => {
    const manifest = await create({ ...arm, changesSchema: ["hypervisor.db"] });
    anyManifest.parse(manifest);
    assert.ok(manifest.schema === 2);
    assert.equal(manifest.hosts["edge"]?.system, "aarch64-linux");
    assert.deepEqual(
      Object.entries(manifest.components).map(([system, of]) => [system, of["hypervisor"]?.path]),
      [
        ["x86_64-linux", pathOf("hypervisor-1.5.0")],
        ["aarch64-linux", pathOf("arm")],
      ],
    );
    assert.deepEqual(manifest.changesSchema, ["hypervisor.db"]);
  });

  it("tells the builder whose components the hosts share", async () => {
    await create(arm);
    const argument = builder.asked("start")[0]?.argument.get("argument") ?? "";
    for (const line of [
      "systems.hosts-choiros-prod\tx86_64-linux",
      "systems.hosts-edge\taarch64-linux",
      "components.components-x86_64-linux-hypervisor\tx86_64-linux",
      "components.components-aarch64-linux-hypervisor\taarch64-linux",
    ])
      assert.ok(argument.includes(`${line}\n`), `${line} is not in ${argument}`);
  });

  it("has the builder sign what the id is of, with a key of its own", async () => {
    const manifest = await create({ manifestKeyFile: "/keys/release" });
    assert.deepEqual(manifest, { ...MANIFEST, signature: "signed\n" });
    const [call] = builder.asked("sign");
    assert.equal(call?.argument.get("keyFile"), "/keys/release");
    assert.equal(call?.argument.get("text"), signedText(MANIFEST));
  });

  it("names the setting of a key that does not sign", async () => {
    const error = { code: "manifest-signing-failed", message: "The manifest could not be signed." };
    use({ sign: () => ({ error }) });
    const { message } = await failureOf(create({ manifestKeyFile: "/keys/release" }));
    assert.equal(message, "[release.manifestKeyFile] The manifest could not be signed.");
  });

  it("made again, keeps its id; another release has its own time", async () => {
    const state: BuildOutputs = { ...wanted, manifest: MANIFEST };
    builtAt += 1000;
    const again = await build.update(
      state,
      { ...wanted, manifestKeyFile: "/keys/release" },
      silent,
    );
    assert.ok(again.manifest.schema === 2);
    assert.equal(again.manifest.id, MANIFEST.id);
    const other = await build.update(state, { ...wanted, subject: "another" }, silent);
    assert.ok(other.manifest.schema === 2);
    assert.equal(other.manifest.builtAt, builtAt);
    assert.equal(other.manifest.id, releaseId(other.manifest));
  });

  it("holds as many releases as it is told to, the newest ones, and none when it is given up", async () => {
    const given = () => builder.asked("root").map(({ argument }) => listed(argument, "remove"));
    const rev = (digit: string) => digit.repeat(40);
    const next = async (state: BuildOutputs, digit: string) =>
      build.update(state, { ...wanted, keep: 3, rev: rev(digit) }, silent);
    const second = await next({ ...wanted, keep: 3, rev: rev("1"), manifest: MANIFEST }, "2");
    const third = await next(second, "3");
    assert.deepEqual(given(), [], "three are held");
    const back = await next(third, "1");
    assert.deepEqual(given(), [], "back is none more");
    assert.deepEqual(
      back.earlier?.map((release) => release.rev),
      [rev("3"), rev("2")],
    );
    const fourth = await next(back, "4");
    const names = Object.keys(EVALUATION.hosts).length + 1;
    assert.equal(given()[0]?.length, names);
    assert.ok(given()[0]?.every((name) => name.startsWith(`build-${rev("2")}-`)));
    assert.equal(build.diff(fourth, { ...wanted, keep: 3, rev: rev("4") }).changes, false);
    await build.delete(fourth, silent);
    assert.equal(given()[1]?.length, 3 * names);
  });

  it("of a version without systems is still whole, then made anew, and its roots given up", async () => {
    const { hypervisor } = EVALUATION.components["x86_64-linux"] ?? {};
    const old = { ...wanted, components: { hypervisor }, manifest: MANIFEST_1 };
    const state = old as unknown as BuildOutputs;
    const roots = {
      [`build-${REV}-hosts-choiros-grind`]: NAMES["hosts-choiros-grind"],
      [`build-${REV}-hosts-choiros-prod`]: NAMES["hosts-choiros-prod"],
      [`build-${REV}-components-hypervisor`]: pathOf("hypervisor-1.5.0"),
    };
    const paths = Object.fromEntries(Object.values(roots).map((path) => [path, true]));
    use({ observe: () => hostState({ roots, paths }) });
    assert.equal(await build.refresh(state, wanted, silent), state);
    assert.equal(build.diff(state, wanted).changes, true);
    assert.deepEqual((await build.update(state, wanted, silent)).manifest, MANIFEST);
    const [given] = builder.asked("root");
    assert.equal(given?.argument.get("remove.0"), `build-${REV}-components-hypervisor`);
    assert.equal(given?.argument.get("remove.length"), "1");
  });
});

describe("an evaluation", () => {
  const question = {
    ...{ connection: GRIND, repo: "/opt/workspace", rev: "main", requireClean: true },
    hosts: { "choiros-grind": "x86_64-linux", "choiros-prod": "x86_64-linux" },
    ...{ components: ["hypervisor"], timeoutSeconds: 60 },
  };
  const resolving = (answer: object) => {
    const builder = new FakeExecutor({ resolve: () => answer });
    useExecutor(GRIND, builder);
    return builder;
  };

  it("asks for each host with its system, and answers with what it is built for", async () => {
    const builder = resolving({ ...EVALUATION, cached: true });
    assert.deepEqual(await getRelease.call({ ...question, branch: "main" }), EVALUATION);
    const [call] = builder.asked("resolve");
    assert.equal(call?.argument.get("hosts.choiros-prod"), "x86_64-linux");
    assert.equal(call?.argument.get("components.hypervisor"), "hypervisor");
    assert.equal(call?.argument.get("requireClean"), "true");
    assert.equal(call?.argument.get("branch"), "main");
  });

  it("of a host for another system is refused before anything is built", async () => {
    resolving({ ...EVALUATION, cached: true });
    const hosts = { ...question.hosts, "choiros-prod": "aarch64-linux" };
    const { message } = await failureOf(getRelease.call({ ...question, hosts }));
    assert.match(
      message,
      /^\[release\.hosts\] Release main on choiros-grind: nixosConfigurations\.choiros-prod is for x86_64-linux, not for aarch64-linux\. Write \{name: choiros-prod, system: x86_64-linux\}/,
    );
  });

  for (const [code, setting] of [
    ["dirty-repo", "release.requireClean"],
    ["unknown-branch", "release.branch"],
    ["off-branch", "release.branch"],
  ] as const)
    it(`that ends with ${code} names ${setting}`, async () => {
      resolving({ error: { code, message: "No." } });
      const { message } = await failureOf(getRelease.call(question));
      assert.equal(message, `[${setting}] Release main on choiros-grind: No.`);
    });
});
