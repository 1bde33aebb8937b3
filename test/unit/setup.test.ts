import assert from "node:assert/strict";
import { once } from "node:events";
import { FakeMachine } from "../support/fake-machine.ts";
import { HOSTILE } from "../support/hostile.ts";

describe("setup", function () {
  this.timeout(20_000);
  let machine: FakeMachine;
  afterEach(() => machine.discard());

  describe("on a machine that has all", () => {
    beforeEach(() => {
      machine = FakeMachine.ready();
    });

    it("does nothing and says nothing", () => {
      const { status, stdout, stderr } = machine.run("setup.sh", "--for", "program", "--quiet");
      assert.deepEqual([status, stdout, stderr], [0, "", ""]);
      assert.deepEqual(machine.called("npm"), []);
    });

    it("asks Pulumi for its version once, and again when the file has changed", () => {
      machine.run("setup.sh", "--for", "program");
      assert.deepEqual(machine.called("pulumi"), []);
      machine.withPulumi("v3.300.0-newer");
      machine.run("setup.sh", "--for", "program");
      assert.deepEqual(machine.called("pulumi"), ["version"]);
    });

    it("installs the npm packages again when the lock has changed", () => {
      machine.append("package-lock.json", "\n");
      machine.run("setup.sh", "--for", "program");
      assert.equal(machine.called("npm").length, 1);
    });

    it("installs the npm packages again when they are gone", () => {
      machine.remove("node_modules");
      machine.run("setup.sh", "--for", "program");
      assert.equal(machine.called("npm").length, 1);
    });

    it("takes what `npm ci` by hand has installed", () => {
      machine.write("package-lock.json", lock("1.0.0")).remove("node_modules");
      machine.write("node_modules/.package-lock.json", lock("1.0.0"));
      machine.run("setup.sh", "--for", "program");
      assert.deepEqual(machine.called("npm"), []);
    });

    it("does not take other versions for installed", () => {
      machine.write("package-lock.json", lock("1.0.1")).remove("node_modules");
      machine.write("node_modules/.package-lock.json", lock("1.0.0"));
      machine.run("setup.sh", "--for", "program");
      assert.equal(machine.called("npm").length, 1);
    });

    it("works once when it is started twice at once", async () => {
      machine.remove("node_modules");
      machine.has("npm", 'sleep 0.5; mkdir "$3/node_modules"');
      const setups = [1, 2].map(() => machine.start("setup.sh", "--for", "program"));
      const codes = await Promise.all(setups.map(async (setup) => (await once(setup, "exit"))[0]));
      assert.deepEqual(codes, [0, 0]);
      assert.equal(machine.called("npm").length, 1);
    });

    it("ends what it has started when it is ended, and continues the next time", async () => {
      machine.remove("node_modules");
      machine.has("npm", `trap ': >"$HOME/ended"; exit' TERM; : >"$HOME/begun"; sleep 60 & wait`);
      const setup = machine.start("setup.sh", "--for", "program");
      await machine.shows("begun");
      setup.kill("SIGTERM");
      assert.deepEqual(await once(setup, "exit"), [143, null]);
      await machine.shows("ended");
      machine.withNpm();
      assert.equal(machine.run("setup.sh", "--for", "program").status, 0);
    });

    it("fails when a step fails, and shows what it said", () => {
      machine.remove("node_modules");
      machine.has("npm", "echo the registry is on fire; exit 7");
      const { status, stderr } = machine.run("setup.sh", "--for", "program");
      assert.equal(status, 3);
      assert.match(stderr, /the registry is on fire/);
      assert.match(stderr, /npm packages of package-lock.json failed \(exit code 7\)/);
    });

    it("refuses a purpose that it does not know", () => {
      for (const args of [["--for", "fun"], ["--for"], ["fun"]]) {
        assert.equal(machine.run("setup.sh", ...args).status, 2);
      }
    });
  });

  describe("where something is missing", () => {
    beforeEach(() => {
      machine = new FakeMachine().with("git", "ssh");
    });

    for (const version of ["v20.20.2", "v22.17.9", "v23.5.0"]) {
      it(`fetches Node.js where it is ${version}, and puts it first on PATH`, () => {
        machine.withNode(version).withNpm().withPulumi("v3.255.0");
        const { status, stdout } = machine.run("run.sh", "--for", "program", "--env");
        assert.equal(status, 0);
        assert.match(stdout, /^export PATH=.*node-[0-9a-f]{16}/);
        assert.equal(machine.called("npm").length, 2, "one for Node.js, one for the packages");
      });
    }

    for (const version of ["v22.18.0", "v23.6.0", "v24.0.0", "v26.1.0-nightly"]) {
      it(`is content with Node.js ${version}`, () => {
        machine.withNode(version).withNpm().withPulumi("v3.255.0");
        machine.run("setup.sh", "--for", "program");
        assert.equal(machine.called("npm").length, 1, "only for the packages");
      });
    }

    it("says all that is missing at once, and how to get it", () => {
      const { status, stderr } = machine.run("setup.sh", "--for", "program");
      assert.equal(status, 3);
      assert.match(stderr, /Node\.js 22\.18 or newer is missing \(found: none\).*nodejs\.org/);
      assert.match(stderr, /Pulumi 3\.200 or newer .* is missing, and so is Go.*pulumi\.com/);
    });

    it("does not take an old Pulumi, nor one without its language host", () => {
      machine.withNode().withNpm().withPulumi("v3.199.9");
      assert.equal(machine.run("setup.sh", "--for", "program").status, 3);
      machine.discard();
      machine = new FakeMachine().with("git", "ssh").withNode().withNpm();
      machine.has("pulumi", "echo v3.255.0");
      assert.equal(machine.run("setup.sh", "--for", "program").status, 3);
    });

    it("says so when the cache cannot be written", () => {
      machine.withNode().withNpm().withPulumi("v3.255.0").write("cache", "a file");
      const { status, stderr } = machine.run("setup.sh", "--for", "program");
      assert.equal(status, 1);
      assert.match(stderr, /cache directory .* cannot be written/);
    });
  });

  describe("for the checks", () => {
    beforeEach(() => {
      machine = FakeMachine.ready().with("shellcheck");
    });

    it("builds actionlint once, and puts it on PATH", () => {
      machine.has("go", 'mkdir "${@: -2:1}"; cp "$(type -P bash)" "${@: -2:1}/actionlint"');
      assert.equal(machine.run("setup.sh", "--for", "check").status, 0);
      const { stdout } = machine.run("run.sh", "--for", "check", "--env");
      assert.match(stdout, /^export PATH=.*actionlint-[0-9a-f]{16}/);
      assert.equal(machine.called("go").length, 1);
    });

    it("takes the actionlint that is there, and asks for none to run the program", () => {
      assert.equal(machine.run("setup.sh", "--for", "program").status, 0);
      machine.with("actionlint");
      assert.equal(machine.run("setup.sh", "--for", "check").status, 0);
    });

    it("says how to get actionlint where there is no Go to build it", () => {
      const { status, stderr } = machine.run("setup.sh", "--for", "check");
      assert.equal(status, 3);
      assert.match(stderr, /actionlint is missing, and so is Go.*go\.dev/);
    });
  });

  describe("for the lab", () => {
    beforeEach(() => {
      machine = FakeMachine.ready().with("shellcheck", "actionlint");
      machine.write(
        "lab/packages.txt",
        "# what the hosts are made of\nnix-bin  # Nix\n\nmmdebstrap",
      );
    });

    it("is content with the packages of lab/packages.txt", () => {
      machine.withDebian(0, ["nix-bin", "mmdebstrap"]);
      assert.equal(machine.run("setup.sh").status, 0);
      assert.deepEqual(machine.called("apt-get"), []);
    });

    it("installs as root only what is missing, without fetching the lists", () => {
      machine.withDebian(0, ["nix-bin"]);
      assert.equal(machine.run("setup.sh").status, 0);
      assert.deepEqual(machine.called("apt-get").map(packagesOf), [["mmdebstrap"]]);
    });

    it("fetches the lists where the ones at hand do not do", () => {
      machine.withDebian(0, []);
      machine.has("apt-get", '[[ $1 == update ]] && touch "$HOME/updated"; [[ -e $HOME/updated ]]');
      machine.has("touch", ': >"$1"');
      machine.run("setup.sh");
      const verbs = machine.called("apt-get").map((call) => call.split(" ")[0]);
      assert.deepEqual(verbs, ["install", "update", "install"]);
    });

    it("names the packages and the need for root to somebody who is not", () => {
      machine.withDebian(1000, ["nix-bin"]);
      const { status, stderr } = machine.run("setup.sh");
      assert.equal(status, 3);
      assert.match(stderr, /needs root/);
      assert.match(stderr, /sudo apt-get install --no-install-recommends mmdebstrap$/m);
      assert.deepEqual(machine.called("apt-get"), []);
    });

    it("asks nothing of the kind for the program alone", () => {
      machine.withDebian(1000, []);
      assert.equal(machine.run("setup.sh", "--for", "program").status, 0);
    });
  });

  describe("run.sh", () => {
    beforeEach(() => {
      machine = FakeMachine.ready();
      machine.write("echo.ts", "console.log(JSON.stringify(process.argv.slice(2) as string[]));");
    });

    it("hands on its arguments as they are", () => {
      const args = HOSTILE.filter((text) => !text.includes("\0"));
      const { stdout } = machine.run("run.sh", "--for", "program", "echo.ts", ...args);
      assert.deepEqual(JSON.parse(stdout), args);
    });

    it("hands on arguments to a command of node_modules/.bin", () => {
      machine.write("node_modules/.bin/show", '#!/usr/bin/env bash\nprintf "<%s>" "$@"\n');
      machine.executable("node_modules/.bin/show");
      const { stdout } = machine.run("run.sh", "--for", "program", "--bin", "show", "a b", "$(id)");
      assert.equal(stdout, "<a b><$(id)>");
    });

    it("ends with the exit code of the program", () => {
      machine.write("fail.ts", "process.exit(7);");
      assert.equal(machine.run("run.sh", "--for", "program", "fail.ts").status, 7);
    });

    it("is the program after a moment: a signal reaches it", async () => {
      machine.write("wait.ts", 'process.on("SIGTERM", () => process.exit(9)); console.log("up");');
      machine.append("wait.ts", "setInterval(() => {}, 1000);");
      const child = machine.start("run.sh", "--for", "program", "wait.ts");
      await once(child.stdout, "data");
      child.kill("SIGTERM");
      assert.deepEqual(await once(child, "exit"), [9, null]);
    });

    it("prints an environment that a shell can take", () => {
      machine.withNode("v20.0.0");
      const { stdout } = machine.run("run.sh", "--for", "program", "--env");
      machine.write("shell.sh", `${stdout}\nnode -p process.version\n`);
      assert.equal(machine.bash("shell.sh").stdout, `${process.version}\n`);
    });

    it("refuses what it cannot run", () => {
      for (const args of [[], ["absent.ts"], ["-p", "1"], ["--bin"], ["--bin", "absent"]]) {
        assert.equal(machine.run("run.sh", "--for", "program", ...args).status, 2, args.join(" "));
      }
      assert.equal(machine.run("run.sh", "--for").status, 2);
    });
  });
});

function lock(version: string): string {
  return JSON.stringify({ packages: { "": {}, "node_modules/a": { version } } });
}

function packagesOf(call: string): string[] {
  return call.split(" ").filter((word) => !/^-|^install$|=/.test(word));
}
