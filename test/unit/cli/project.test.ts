import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { routeOf } from "../../../cli/commands/promote.ts";
import { EXIT, Stop } from "../../../cli/exit-code.ts";
import { opens, passphraseIn } from "../../../cli/passphrase.ts";
import { openProject, settled, stackNamed } from "../../../cli/project.ts";

const ROOT = new URL("../../../", import.meta.url).pathname;

describe("a project as its files say it", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "promote-project-"));
    for (const file of ["Pulumi.yaml", "Pulumi.grind.yaml", "Pulumi.prod.yaml"])
      copyFileSync(join(ROOT, file), join(directory, file));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const stopOf = (work: () => unknown): Stop => {
    try {
      work();
    } catch (error) {
      assert.ok(error instanceof Stop, String(error));
      return error;
    }
    return assert.fail("it should have failed");
  };

  it("is found from below, with its stacks and their settings", () => {
    mkdirSync(join(directory, "deep/down"), { recursive: true });
    const project = openProject(join(directory, "deep/down"));
    assert.equal(project.name, "choiros");
    assert.deepEqual(
      project.stacks.map(({ name, host }) => [name, host]),
      [
        ["grind", "choiros-grind"],
        ["prod", "choiros-prod"],
      ],
    );
    assert.equal(settled(stackNamed(project, "prod")).settings.activation.mode, "switch");
  });

  it("leaves out stacks that are not ours", () => {
    writeFileSync(join(directory, "Pulumi.dns.yaml"), "config:\n  aws:region: eu-west-1\n");
    writeFileSync(join(directory, "Pulumi.empty.yaml"), "");
    assert.deepEqual(
      openProject(directory).stacks.map(({ name }) => name),
      ["grind", "prod"],
    );
  });

  it("leaves out stacks that have no host, but what is around hosts", () => {
    writeFileSync(
      join(directory, "Pulumi.traffic.yaml"),
      "config:\n  choiros:traffic: {kind: reverseProxy}\n",
    );
    assert.deepEqual(
      openProject(directory).stacks.map(({ name }) => name),
      ["grind", "prod"],
    );
  });

  it("tells of such a stack what it is when somebody means it", () => {
    writeFileSync(join(directory, "Pulumi.traffic.yaml"), "config:\n  choiros:traffic: {}\n");
    const { code, message } = stopOf(() => stackNamed(openProject(directory), "traffic"));
    assert.equal(code, EXIT.usage);
    assert.match(message, /^The stack traffic has no host, .*pulumi preview --stack traffic\./);
  });

  it("knows the hosts of a stack with many, and which commands do", () => {
    copyFileSync(
      join(ROOT, "docs/examples/Pulumi.fleet.yaml"),
      join(directory, "Pulumi.fleet.yaml"),
    );
    const stack = stackNamed(openProject(directory), "fleet");
    assert.equal(stack.members?.length, 8);
    assert.match(
      stopOf(() => settled(stack)).message,
      /many hosts.*promote doctor and promote plan know/,
    );
  });

  it("keeps a stack whose settings are wrong, and says what is wrong with them", () => {
    writeFileSync(
      join(directory, "Pulumi.web.yaml"),
      "config:\n  choiros:host: {name: web, connection: {kind: telnet}}\n",
    );
    const stack = stackNamed(openProject(directory), "web");
    assert.equal(stack.host, "web");
    const { code, message } = stopOf(() => settled(stack));
    assert.equal(code, EXIT.usage);
    assert.match(message, /Pulumi\.web\.yaml: .*\n {2}\[choiros:host\.connection\.kind\]/);
    assert.match(message, /\[choiros:release\]/);
  });

  it("reads objects that Pulumi has kept as text, and what Pulumi.yaml says for all", () => {
    writeFileSync(
      join(directory, "Pulumi.yaml"),
      "name: choiros\nruntime: nodejs\nconfig:\n  copy: {type: object, default: {via: built-here}}\n",
    );
    writeFileSync(
      join(directory, "Pulumi.web.yaml"),
      `config:\n  choiros:host: '{"name":"web","connection":{"kind":"ssh","host":"web"}}'\n` +
        `  choiros:release: {from: stack, stack: grind}\n` +
        `  choiros:health: [{name: web, kind: unit, unit: web.service}]\n`,
    );
    const { settings } = settled(stackNamed(openProject(directory), "web"));
    assert.equal(settings.host.name, "web");
    assert.equal(settings.copy.via, "built-here");
  });

  it("names the stacks that there are when one is asked for that is not", () => {
    const { code, message } = stopOf(() => stackNamed(openProject(directory), "pord"));
    assert.equal(code, EXIT.usage);
    assert.match(message, /There is no stack pord .*It has: grind, prod\./);
  });

  it("says where it looked when there is none, and which file cannot be read", () => {
    assert.match(stopOf(() => openProject("/")).message, /no Pulumi\.yaml in \/, nor above/);
    writeFileSync(join(directory, "Pulumi.prod.yaml"), "config: {");
    assert.match(stopOf(() => openProject(directory)).message, /Pulumi\.prod\.yaml cannot be read/);
  });

  describe("the way of a release", () => {
    it("leads from the stack that builds to the one that is named", () => {
      const route = routeOf(openProject(directory), undefined, false);
      assert.deepEqual(
        [route.source?.name, route.target.name, route.skipsSource],
        ["grind", "prod", false],
      );
    });

    it("of a stack that builds itself has no other in it", () => {
      const project = openProject(directory);
      assert.equal(routeOf(project, "grind", false).source, undefined);
      assert.match(
        stopOf(() => routeOf(project, "grind", true)).message,
        /--skip-grind is for a stack that takes its release from another/,
      );
    });
  });
});

describe("the passphrase of a stack", () => {
  const SALT = "v1:5evy154v/04=:v1:6yuc8iq4WrrGTuOv:2M0M9N7+zTLtfxLUNuv6yxq+11Z9aQ=="; // Pulumi's, for "lab"

  it("opens what Pulumi has sealed with it, and no other does", async () => {
    assert.deepEqual(await Promise.all(["lab", "wrong", ""].map((word) => opens(word, SALT))), [
      true,
      false,
      false,
    ]);
    assert.equal(await opens("lab", "v1:nonsense"), false);
  });

  it("is what the environment or a file says", () => {
    assert.equal(passphraseIn({ PULUMI_CONFIG_PASSPHRASE: "" }), "");
    assert.equal(passphraseIn({}), undefined);
    assert.equal(passphraseIn({ PULUMI_CONFIG_PASSPHRASE_FILE: "/no/such" }), undefined);
  });
});
