import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { run } from "../../lab/process.ts";
import {
  type Changes,
  during,
  leavesAlone,
  type RefusalOptions,
  refusal,
  snapshot,
  withText,
} from "./faults.ts";
import { World } from "./world.ts";

describe("bad input is refused before the host is touched", function () {
  this.timeout(90_000);
  let world: World;
  let nobody: string;

  before("release a on both hosts", async () => {
    world = await World.settled();
    nobody = world.prod.address.replace(/\d+$/, "99");
  });

  after("the lab goes", () => world?.close());

  /** An `up` of prod that fails and leaves prod alone. */
  const prodRefuses = (changes: Changes, message: RegExp, options: RefusalOptions = {}) =>
    leavesAlone(world.prod, async () =>
      assert.match(await refusal(world, "prod", changes, options), message),
    );

  /** An `up` of grind that fails before anything is built. */
  const grindRefuses = (changes: Changes, message: RegExp) =>
    leavesAlone(world.grind, async () =>
      assert.match(await refusal(world, "grind", changes), message),
    );

  describe("settings", () => {
    it("of unknown names and wrong types are all named at once", async () => {
      const said = await leavesAlone(world.prod, () =>
        refusal(world, "prod", {
          "host.nmae": "choiros-prod",
          "host.connection.port": "22",
          "health.0.urll": "http://127.0.0.1/",
          activaton: { confirm: false },
        }),
      );
      assert.match(said, /mistakes; nothing was touched/);
      for (const line of [
        /\[choiros:host\.nmae\] There is no setting "nmae"/,
        /\[choiros:host\.connection\.port\] must be of the type number, and is a string/,
        /\[choiros:health\[0\]\.urll\] There is no setting "urll"/,
        /\[choiros:activaton\] There is no setting "activaton"/,
      ])
        assert.match(said, line);
    });

    it("that name a host which the release does not have", () =>
      prodRefuses(
        { "host.name": "choiros-nobody" },
        /\[host\.name\] .*has no system for choiros-nobody.*\[release\.hosts\]/,
      ));

    it("that take the release of a stack which is not there", () =>
      prodRefuses(
        { "release.stack": "nowhere" },
        /StackReference \(release\.stack\):\s+error: unknown stack "organization\/choiros\/nowhere"/,
      ));

    it("that expect another machine", () =>
      prodRefuses({ "host.machineId": "0".repeat(32) }, /\[host\.machineId\] /));
  });

  it("a path that is no store path is refused by the name of its property", async () => {
    const program = `${world.project.directory}/start.ts`;
    const own = `import { Closure } from "./components/resources.ts";
new Closure("result", {
  connection: { kind: "ssh", host: "choiros-prod" }, path: "/opt/choiros/result",
  transport: { via: "built-here" }, timeoutSeconds: 60,
});`;
    const shipped = new URL("../../start.ts", import.meta.url).pathname;
    unlinkSync(program);
    await during(
      () => writeFileSync(program, own),
      () => {
        rmSync(program);
        symlinkSync(shipped, program);
      },
      () => prodRefuses({}, /path.*must be a store path such as \/nix\/store/s),
    );
  });

  describe("a way to the host", () => {
    it("that leads to an address where nobody is", () =>
      prodRefuses(
        { "host.connection": { kind: "ssh", host: nobody, user: "root" } },
        /\[host\.connection\] root@\S+: nothing answers there\. Check/,
      ));

    it("that is an alias which ssh does not know", () =>
      prodRefuses(
        { "host.connection.host": "choiros-nobody" },
        /\[host\.connection\] choiros-nobody: no such host or ssh alias/,
      ));

    it("whose pinned key is another host's", async () => {
      const [, grind = ""] =
        /^choiros-grind\S* (\S+ \S+)$/m.exec(
          readFileSync(`${world.lab.dir}/known_hosts`, "utf8"),
        ) ?? [];
      await prodRefuses(
        { "host.connection.hostKey": grind },
        /\[host\.connection\] choiros-prod: its host key is not the pinned one, so nothing was sent/,
      );
    });

    it("with a key that the host does not know", async () => {
      const directory = mkdtempSync("/tmp/nixos-promote-e2e-");
      const identityFile = join(directory, "key");
      const config = readFileSync(`${world.lab.dir}/ssh_config`, "utf8");
      writeFileSync(`${directory}/config`, config.replace(/^ *IdentityFile .*\n/m, ""));
      await during(
        () => run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", identityFile]),
        () => rmSync(directory, { recursive: true }),
        () =>
          prodRefuses(
            { "host.connection": { kind: "ssh", host: "choiros-prod", identityFile } },
            /\[host\.connection\] choiros-prod: it refused every key/,
            { env: { NIXOS_PROMOTE_SSH_CONFIG: `${directory}/config` } },
          ),
      );
    });

    it("that leads to another machine", () =>
      prodRefuses(
        { "host.connection.host": "choiros-grind" },
        /\[host\.connection\] leads to another machine/,
      ));

    it("to a host whose key has changed", () =>
      withText(
        `${world.lab.dir}/known_hosts`,
        (text) =>
          text.replace(
            /^(choiros-prod\S*).*$/m,
            `$1 ${/^choiros-grind\S* (.*)$/m.exec(text)?.[1]}`,
          ),
        async () => {
          assert.match((await world.prod.ssh(["true"])).stderr, /HOST IDENTIFICATION HAS CHANGED/);
          await prodRefuses(
            {},
            /\[host\.connection\] choiros-prod: its host key is not the pinned one/,
          );
        },
      ));

    it("leaves no wrong way in the state: the corrected setting works at once", async () => {
      await leavesAlone(world.prod, () => world.up("prod"));
    });
  });

  describe("a copy", () => {
    before("prod is one release behind", async () => {
      await world.push("b");
      await world.up("grind");
    });

    it("to a name that the builder does not know", () =>
      prodRefuses(
        { "copy.to": "choiros-nobody" },
        /\[copy\.to\] ssh-ng:\/\/choiros-nobody cannot be reached/,
      ));

    it("by a builder that cannot reach the host", () =>
      during(
        () => world.grind.must(["ip", "route", "add", "unreachable", world.prod.address]),
        () => world.grind.must(["ip", "route", "del", "unreachable", world.prod.address]),
        async () => {
          assert.notEqual((await world.grind.exec(["ssh", "choiros-prod", "true"])).code, 0);
          await prodRefuses({}, /\[copy\.to\] ssh-ng:\/\/choiros-prod cannot be reached/);
        },
      ));

    it("through this machine, which has no Nix", async () => {
      const directory = mkdtempSync("/tmp/nixos-promote-e2e-");
      await during(
        () =>
          onlyThese(directory, [
            "node",
            "pulumi",
            "pulumi-language-nodejs",
            "sh",
            "ssh",
            "dirname",
            "readlink",
          ]),
        () => rmSync(directory, { recursive: true }),
        async () => {
          await assert.rejects(run(["nix", "--version"], { env: { PATH: directory } }));
          await prodRefuses(
            { copy: { via: "relay" } },
            /\[copy\.via\] relay needs nix on this machine/,
            {
              env: { PATH: directory },
            },
          );
        },
      );
    });
  });

  describe("a release", () => {
    it("of a repository that is not there", () =>
      grindRefuses(
        { "release.repo": "/opt/nothing" },
        /\[release\.repo\] .*There is no repository at '\/opt\/nothing'/,
      ));

    it("of a revision that is not there", () =>
      grindRefuses(
        { "release.rev": "nope" },
        /\[release\.rev\] .*no revision 'nope'.*Push the commit/,
      ));

    it("whose flake lacks a host at this revision", () =>
      grindRefuses(
        { "release.rev": "no-host" },
        /\[release\.hosts\] .*no "nixosConfigurations\.choiros-prod"/,
      ));

    it("whose flake lacks a host at any revision", () =>
      grindRefuses(
        { "release.hosts": ["choiros-grind", "choiros-nobody"] },
        /\[release\.hosts\] .*no "nixosConfigurations\.choiros-nobody"/,
      ));

    it("whose flake lacks a component", () =>
      grindRefuses(
        { "release.components": ["nobody"] },
        /\[release\.components\] .*no "packages\.x86_64-linux\.nobody"/,
      ));

    it("that cannot be evaluated", async () => {
      await commit(
        `sed -i '1i throw "an expression that throws"' hosts/choiros-prod.nix`,
        "broken",
      );
      await grindRefuses(
        { "release.rev": "broken" },
        /\[release\.rev\] .*could not be evaluated.*an expression that throws/s,
      );
    });

    it("that does not build", async () => {
      const before = await snapshot(world.grind);
      const said = await refusal(world, "grind", { "release.rev": "no-build" });
      assert.match(said, /\[release\.rev\] \/nix\/store\/\S*-desktop-0\.4\.0\.drv did not build/);
      assert.match(said, /cannot find value `window`/);
      await assertStillRuns(before);
    });

    it("whose signing key is not there", async () => {
      const before = await snapshot(world.grind);
      assert.match(
        await refusal(world, "grind", { "release.signingKeyFile": "/nowhere" }),
        /\[release\.signingKeyFile\] There is no signing key at '\/nowhere'/,
      );
      await assertStillRuns(before);
    });
  });

  describe("a builder", () => {
    it("at an address where nobody is", () =>
      grindRefuses(
        { "release.builder": { kind: "ssh", host: nobody, user: "root" } },
        /\[release\.builder\] .*nothing answers there/,
      ));

    for (const [when, warm] of [
      ["evaluates", false],
      ["builds", true],
    ] as const)
      it(`whose disk is full when it ${when}`, async () => {
        const rev = warm ? "new-unit" : "late-crash";
        if (warm) await evaluated(rev);
        const before = await snapshot(world.grind);
        await during(
          () => world.grind.must(["bash", "-c", FULL_DISK]),
          () => world.grind.must(["umount", "--lazy", "/nix", "/mnt/small"]),
          async () => {
            const written = await world.grind.exec([
              "dd",
              "if=/dev/zero",
              "of=/nix/store/more",
              "bs=1M",
              "count=1",
            ]);
            assert.match(written.stderr, /No space left on device/);
            await world.grind.must(["rm", "/nix/store/more"]);
            assert.match(
              await refusal(world, "grind", { "release.rev": rev }),
              /\[release\.builder\] .*(full|No space left)/s,
            );
          },
        );
        await assertStillRuns(before);
      });
  });

  it("a host that is off is named, and the way to it", async () => {
    const before = await snapshot(world.prod);
    await world.prod.powerCut();
    assert.equal(world.prod.isRunning(), false);
    assert.match(
      await refusal(world, "prod"),
      /\[host\.connection\] choiros-prod: nothing answers there\. Check that the host is up/,
    );
    await world.prod.boot();
    const { pointers, roots } = await snapshot(world.prod);
    assert.deepEqual({ pointers, roots }, { pointers: before.pointers, roots: before.roots });
  });

  /** A commit on the builder that changes files by a script. */
  async function commit(script: string, tag: string): Promise<void> {
    const git = "git -c user.name=e2e -c user.email=e2e@example.com";
    await world.grind.must([
      ...[
        "bash",
        "-ec",
        `cd /opt/choiros/workspace; ${script}; ${git} commit -qam broken; git tag ${tag}; git reset -q --hard HEAD~1`,
      ],
    ]);
  }

  async function evaluated(rev: string): Promise<void> {
    await world.push(rev);
    await world.preview("grind");
  }

  async function assertStillRuns(before: Awaited<ReturnType<typeof snapshot>>): Promise<void> {
    const { pointers, services } = await snapshot(world.grind);
    assert.deepEqual(
      { pointers, services },
      { pointers: before.pointers, services: before.services },
    );
  }
});

// The same store on a small disk.
const FULL_DISK = `size=$(du -sk /nix | cut -f1)
mkdir -p /mnt/small
mount -t tmpfs -o size=$((size + 2048))k tmpfs /mnt/small
cp -a /nix/. /mnt/small/
mount --bind /mnt/small /nix
dd if=/dev/zero of=/nix/filler bs=4k count=100000 2>/dev/null || true
truncate -s -65536 /nix/filler`;

function onlyThese(directory: string, programs: readonly string[]): void {
  mkdirSync(directory, { recursive: true });
  const path = (process.env.PATH ?? "").split(delimiter);
  for (const program of programs) {
    const found = path.map((entry) => join(entry, program)).find((file) => existsSync(file));
    assert.ok(found, `${program} is not on PATH`);
    symlinkSync(found, join(directory, program));
  }
}
