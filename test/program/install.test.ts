import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCloud } from "../support/cloud.ts";
import { type CommandInputs, runLocally } from "../support/command-plugin.ts";

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA";
const settings = {
  target: { host: "192.0.2.20", user: "debian", port: 2222, hostKey },
  ...{ flake: "github:example/choiros/9ace77e", erase: "choiros-a" },
};
const COMMAND = "command:local:Command";

async function commandOf(more: object = {}) {
  return (await runCloud({ install: { "choiros-a": { ...settings, ...more } } })).the(COMMAND);
}

describe("the installation of NixOS", () => {
  it("is done once: no change of its settings does it again, and no stack forgets it by mistake", async () => {
    const [before, after] = [
      await commandOf(),
      await commandOf({ flake: "github:example/choiros/f1dd4a0", timeoutSeconds: 7200 }),
    ];
    assert.equal(before.name, "choiros-a-install");
    assert.ok(before.protect);
    const changed = Object.keys(after.inputs).filter(
      (key) => JSON.stringify(before.inputs[key]) !== JSON.stringify(after.inputs[key]),
    );
    assert.deepEqual(changed.sort(), ["create", "interpreter"]);
    for (const key of Object.keys(after.inputs)) assert.ok(after.ignoreChanges.includes(key), key);
    for (const key of ["triggers", "update", "delete"]) assert.equal(after.inputs[key], undefined);
  });

  describe("as this machine does it", () => {
    let directory: string;
    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), "install-"));
    });
    afterEach(() => rmSync(directory, { recursive: true }));

    /** Programs in place of ssh and nix, which note their words, and the key that ssh was given. */
    function machine(programs: { ssh: string; nix: string }): void {
      for (const [name, script] of Object.entries(programs)) {
        const note = `for word; do printf '<%s>' "$word"; case $word in UserKnownHostsFile=*) cat "\${word#*=}";; esac; done >"${directory}/${name}.called"`;
        writeFileSync(join(directory, name), `#!/bin/sh\n${note}\n${script}\n`);
        chmodSync(join(directory, name), 0o755);
      }
    }

    async function run() {
      const { inputs } = await commandOf();
      const environment = { PATH: `${directory}:${process.env.PATH}` };
      return runLocally({ ...(inputs as unknown as CommandInputs), environment });
    }
    const called = (name: string) => {
      try {
        return readFileSync(join(directory, `${name}.called`), "utf8");
      } catch {
        return undefined;
      }
    };

    it("lets the machine prove who it is, and keeps its host keys", async () => {
      machine({ ssh: "echo other", nix: "exit 0" });
      assert.deepEqual(await run(), { code: 0, output: "" });
      assert.match(called("ssh") ?? "", /<StrictHostKeyChecking=yes>/);
      assert.ok(called("ssh")?.includes(`known_hosts>pinned ${hostKey}\n`), called("ssh"));
      assert.match(called("ssh") ?? "", /<-p><2222><--><debian@192\.0\.2\.20>/);
      assert.match(
        called("nix") ?? "",
        /<run><github:nix-community\/nixos-anywhere\/[0-9.]+><--><--flake><github:example\/choiros\/9ace77e#choiros-a><--target-host><debian@192\.0\.2\.20><--ssh-port><2222><--copy-host-keys>$/,
      );
    });

    it("does not touch a machine that does not prove it", async () => {
      machine({ ssh: "exit 255", nix: "exit 0" });
      const { code, output } = await run();
      assert.equal(code, 1);
      assert.match(
        output,
        /did not prove that it is the machine of the pinned key.*Nothing was changed/,
      );
      assert.equal(called("nix"), undefined);
    });

    it("does not erase a machine that runs NixOS already", async () => {
      machine({ ssh: "echo nixos", nix: "exit 0" });
      const { code, output } = await run();
      assert.equal(code, 1);
      assert.match(output, /runs NixOS already, and is not erased\. Nothing was changed/);
      assert.equal(called("nix"), undefined);
    });

    it("says where a machine may be whose installation broke off", async () => {
      machine({ ssh: "echo other", nix: "exit 3" });
      const { code, output } = await run();
      assert.equal(code, 1);
      assert.match(output, /did not end well: .*rescue boot/);
    });
  });

  for (const [what, more, said] of [
    [
      "without the name of the machine to erase",
      { erase: "yes" },
      /\[choiros:install\.choiros-a\.erase\] must be choiros-a/,
    ],
    [
      "without the key of the machine",
      { target: { host: "192.0.2.20" } },
      /\[choiros:install\.choiros-a\.target\.hostKey\] must be given/,
    ],
    [
      "of a flake that is an option",
      { flake: "--help" },
      /\[choiros:install\.choiros-a\.flake\] must be a flake/,
    ],
    [
      "with files that could be secrets",
      { extraFiles: "/secrets" },
      /\[choiros:install\.choiros-a\.extraFiles\] There is no setting/,
    ],
  ] as const)
    it(`is refused ${what}`, () => assert.rejects(commandOf(more), said));
});
