// What a release may be made of: which tree, which branch, which systems, which components.
import assert from "node:assert/strict";
import type { Argument } from "../../providers/executors/argument.ts";
import { type Answer, ask } from "./on-host.ts";
import { type Evaluated, Releases } from "./releases.ts";

const TREE = "/tmp/tree";
const GIT = `git -C ${TREE} -c user.name=t -c user.email=t@example.com`;

describe("a release on its builder", function () {
  this.timeout(60_000);
  let on: Releases;
  before(async () => {
    on = await Releases.open(process.env.TEST_LAB ?? "test");
    await on.grind.must(["rm", "-rf", TREE]);
    await on.grind.must(["git", "clone", "--quiet", "/opt/choiros/workspace", TREE]);
  });
  after(async () => {
    await on?.grind.reset();
    await on?.close();
  });

  const sh = (script: string) => on.grind.must(["bash", "-ec", script]);
  const refusal = async (more: { [key: string]: Argument }) => {
    const said = (await on.resolve("main", { repo: TREE, ...more })) as unknown as Answer;
    return (said["error"] ?? {}) as { code?: string; message?: string; hint?: string };
  };

  describe("from a working tree that has to be clean", () => {
    const clean = { requireClean: true };
    afterEach(() => sh(`${GIT} reset -q --hard origin/main; ${GIT} clean -qfdx`));

    it("is resolved when it is", async () => assert.deepEqual(await refusal(clean), {}));

    for (const [what, script, named] of [
      ["a modified file", `echo >>${TREE}/flake.nix`, " M flake.nix"],
      ["a staged file", `echo >>${TREE}/flake.nix; ${GIT} add -A`, "M  flake.nix"],
      ["a file that git does not know", `echo >${TREE}/notes.txt`, "?? notes.txt"],
    ] as const)
      it(`is refused with ${what}, by name`, async () => {
        await sh(script);
        const { code, message = "", hint } = await refusal(clean);
        assert.equal(code, "dirty-repo");
        assert.ok(message.includes(`has changes that are in no commit: ${named}.`), message);
        assert.match(hint ?? "", /Commit, stash or remove them, or set \[release\.requireClean\]/);
        assert.deepEqual(await refusal({ requireClean: false }), {});
      });

    it("may hold what git ignores", async () => {
      await sh(`echo result >${TREE}/.git/info/exclude; ln -sfn /nix/store ${TREE}/result`);
      assert.deepEqual(await refusal(clean), {});
    });

    it("runs no program that the repository's own settings name", async () => {
      await sh(`rm -f /tmp/ran; printf '#!/bin/sh\\ntouch /tmp/ran\\n' >/tmp/monitor; chmod +x /tmp/monitor
        ${GIT} config core.fsmonitor /tmp/monitor; git -C ${TREE} status >/dev/null`);
      await sh("rm /tmp/ran"); // so git would have
      assert.deepEqual(await refusal(clean), {});
      assert.notEqual((await on.grind.exec(["test", "-e", "/tmp/ran"])).code, 0);
      await sh(`${GIT} config --unset core.fsmonitor`);
    });

    it("is resolved in a repository without one", async () => {
      await sh(`rm -rf /tmp/bare; git clone -q --bare ${TREE} /tmp/bare`);
      assert.deepEqual(await refusal({ ...clean, repo: "/tmp/bare" }), {});
    });
  });

  describe("of a branch", () => {
    before(() => sh(`${GIT} branch -q line b; ${GIT} tag gone b; ${GIT} tag line a`));

    for (const [what, rev, branch] of [
      ["its tip", "refs/heads/line", "line"],
      ["a commit before that", "a", "line"],
      ["a branch that was fetched", "a", "origin/main"],
    ] as const)
      it(`is resolved at ${what}`, async () =>
        assert.deepEqual(await refusal({ rev, branch }), {}));

    for (const [what, rev, branch, code, message] of [
      ["a commit of another line", "c-prod", "main", "off-branch", /is not on the branch 'main'/],
      ["a branch that is not there", "a", "nope", "unknown-branch", /has no branch 'nope'/],
      ["a tag in the branch's place", "a", "gone", "unknown-branch", /has no branch 'gone'/],
      ["an option in its place", "a", "--all", "unknown-branch", /has no branch '--all'/],
      ["a command in its place", "a", "$(id)", "unknown-branch", /has no branch '\$\(id\)'/],
    ] as const)
      it(`is refused at ${what}`, async () => {
        const said = await refusal({ rev, branch });
        assert.equal(said.code, code);
        assert.match(said.message ?? "", message);
      });
  });

  describe("for two systems", () => {
    const hosts = { "choiros-prod": "x86_64-linux", "choiros-edge": "aarch64-linux" };
    const components = { hypervisor: "hypervisor", desktop: "desktop" };
    let evaluated: Evaluated;
    before(async () => {
      evaluated = await on.resolve("edge", { hosts, components });
    });

    it("is one evaluation: the host of each has its own, and so have the components", () => {
      const systems = Object.entries(evaluated.hosts).map(([name, { system }]) => [name, system]);
      assert.deepEqual(Object.fromEntries(systems), hosts);
      const paths = Object.values(evaluated.components).map((of) => of["hypervisor"]?.outPath);
      assert.deepEqual(Object.keys(evaluated.components).sort(), ["aarch64-linux", "x86_64-linux"]);
      assert.equal(new Set(paths).size, 2);
      for (const of of Object.values(evaluated.components))
        assert.deepEqual(Object.keys(of), ["desktop", "hypervisor"]);
    });

    it("is the same for a host as alone", async () => {
      const alone = await on.resolve("edge", { components });
      assert.deepEqual(alone.hosts["choiros-prod"], evaluated.hosts["choiros-prod"]);
      assert.deepEqual(Object.keys(alone.components), ["x86_64-linux"]);
    });

    it("says which system lacks a package", async () => {
      const said = await refusal({
        repo: TREE,
        rev: "a",
        hosts: { "choiros-prod": "aarch64-linux" },
        components,
      });
      assert.equal(said.code, "missing-attribute");
      assert.match(said.message ?? "", /"packages\.aarch64-linux\.desktop"/);
    });

    it("is refused by a builder of one, and built where the other is emulated", async () => {
      const drvs = { "hosts-choiros-edge": evaluated.hosts["choiros-edge"]?.drvPath ?? "" };
      const { error } = (await on.build(evaluated.rev, drvs)) as {
        error?: { code: string; message: string };
      };
      assert.equal(error?.code, "wrong-system", JSON.stringify(error));
      assert.match(error.message, /^The builder builds nothing for aarch64-linux\.$/);
      // What these derivations run is /bin/sh, so saying so is enough.
      await sh("echo 'extra-platforms = aarch64-linux' >>/etc/nix/nix.conf");
      const { paths } = (await on.build(evaluated.rev, drvs)) as {
        paths: Record<string, { path: string }>;
      };
      const made = paths["hosts-choiros-edge"]?.path ?? "";
      assert.equal(made, evaluated.hosts["choiros-edge"]?.outPath);
      assert.equal(await on.grind.must(["cat", `${made}/system`]), "aarch64-linux");
    });
  });

  describe("whose hosts share its components", () => {
    const both = { "choiros-grind": "x86_64-linux", "choiros-prod": "x86_64-linux" };

    async function build(tag: string, names: string[]): Promise<Answer> {
      const components = Object.fromEntries(names.map((name) => [name, name]));
      const { rev, hosts, ...more } = await on.resolve(tag, { hosts: both, components });
      const shared = Object.entries(more.components["x86_64-linux"] ?? {});
      const key = (name: string) => `components-x86_64-linux-${name}`;
      const drvs = Object.fromEntries([
        ...Object.entries(hosts).map(([name, { drvPath }]) => [`hosts-${name}`, drvPath]),
        ...shared.map(([name, { drvPath }]) => [key(name), drvPath]),
      ]);
      return on.build(rev, drvs, {
        systems: Object.fromEntries(
          Object.entries(both).map(([name, system]) => [`hosts-${name}`, system]),
        ),
        components: Object.fromEntries(shared.map(([name]) => [key(name), "x86_64-linux"])),
      });
    }

    it("is built where they are the same, also beside another version in both", async () => {
      const { paths } = await build("b", ["hypervisor", "sandbox", "desktop"]);
      assert.equal(Object.keys(paths as object).length, 5);
    });

    it("is built where no host runs a component from its system", async () => {
      const { paths } = await build("bridge", ["hypervisor"]);
      assert.equal(Object.keys(paths as object).length, 3);
    });

    it("is refused where one host has another", async () => {
      const { error } = (await build("mixed", ["hypervisor", "desktop"])) as {
        error?: { code: string; message: string };
      };
      assert.equal(error?.code, "mixed-components");
      assert.match(
        error.message,
        /^choiros-grind has \S+-hypervisor-1\.4\.0, which the release ships, and choiros-prod has \/nix\/store\/\S+-hypervisor-1\.4\.1\.$/,
      );
      const { rev } = await on.resolve("mixed");
      const { roots } = (await ask(on.grind, "root", {})) as { roots: Record<string, string> };
      const left = Object.keys(roots).filter((name) => name.startsWith(rev.slice(0, 12)));
      assert.deepEqual(left, []);
    });

    it("is built where what differs is no component", async () => {
      const { paths } = await build("mixed", ["desktop"]);
      assert.equal(Object.keys(paths as object).length, 3);
    });
  });
});
