import assert from "node:assert/strict";
import { join } from "node:path";
import { exportLines, quote } from "../../lab/env.ts";
import { hostName, Instance } from "../../lab/instance.ts";
import { overlaps } from "../../lab/network.ts";
import { type Ran, run } from "../../lab/process.ts";

const CLI = join(import.meta.dirname, "../../lab/cli.ts");
const lab = (...args: string[]): Promise<Ran> => run([process.execPath, CLI, ...args]);

describe("lab command line", function () {
  this.timeout(20_000);

  it("teaches with --help", async () => {
    const ran = await lab("--help");
    assert.equal(ran.code, 0);
    for (const word of ["up", "down", "status", "ssh", "reset", "power-cut", "env", "--instance"]) {
      assert.match(ran.stdout, new RegExp(word));
    }
  });

  it("ends with 2 on wrong usage and says what is wrong", async () => {
    const wrong: [string[], RegExp][] = [
      [[], /npm run lab/],
      [["fly"], /no command "fly"/],
      [["__proto__"], /no command/],
      [["up", "--nonsense"], /--nonsense/],
      [["up", "--hosts", "0"], /1 to 200/],
    ];
    for (const [args, message] of wrong) {
      const ran = await lab(...args);
      assert.equal(ran.code, 2, args.join(" "));
      assert.match(ran.stdout + ran.stderr, message);
    }
  });

  it("refuses names that could leave its directories or say something to a shell", () => {
    for (const name of ["", "..", "a/b", "-x", "A", "a b", "$(id)", "x".repeat(21)]) {
      assert.throws(() => new Instance(name), /cannot be the name/);
      assert.throws(() => hostName(`${name}/`), /cannot be the name/);
    }
    assert.equal(hostName("prod"), "choiros-prod");
    assert.equal(hostName("choiros-prod"), "choiros-prod");
  });

  it("says with exit codes that a lab is not up", async () => {
    const status = await lab("status", "--json", "--instance", "test-none");
    assert.equal(status.code, 3);
    assert.deepEqual(JSON.parse(status.stdout).hosts, []);
    for (const command of [["env"], ["ssh", "prod"], ["reset"], ["power-cut", "prod"]]) {
      const ran = await lab("--instance", "test-none", ...command);
      assert.equal(ran.code, 1, command.join(" "));
      assert.match(ran.stderr, /is not up[\s\S]*lab -- up --instance test-none/);
    }
    assert.equal((await lab("down", "--instance", "test-none")).code, 0);
  });
});

describe("lab networks", () => {
  it("share addresses or not", () => {
    const cases: [string, string, boolean][] = [
      ["198.18.5.0/24", "198.18.5", true],
      ["198.18.5.9", "198.18.5", true],
      ["198.18.0.0/15", "198.18.5", true],
      ["198.18.5.128/25", "198.18.5", true],
      ["198.18.4.0/24", "198.18.5", false],
      ["10.0.0.0/8", "198.18.5", false],
      ["default", "198.18.5", false],
      ["0.0.0.0/0", "198.18.5", false],
    ];
    for (const [network, subnet, shared] of cases) {
      assert.equal(overlaps(network, subnet), shared, `${network} and ${subnet}.0/24`);
    }
  });
});

describe("lab env", () => {
  it("survives eval with any value", async () => {
    const value = 'it\'s $(id) `id` "x"\nline \\';
    const script = `${exportLines({ VALUE: value })}printf %s "$VALUE"`;
    assert.equal((await run(["sh", "-c", script])).stdout, value);
    assert.equal(quote("a'b"), "'a'\\''b'");
  });
});
