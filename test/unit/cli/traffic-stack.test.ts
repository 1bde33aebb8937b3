import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EXIT, Stop } from "../../../cli/exit-code.ts";
import { openProject } from "../../../cli/project.ts";
import { trafficStackOf, withActive, writeActive } from "../../../cli/traffic-stack.ts";
import { parseYaml } from "../../support/stack-config.ts";

const BLOCK = `config:
  # who people get
  aws:region: eu-central-1
  choiros:traffic:
    kind: route53
    zoneId: Z0123456789ABCDEFGHIJ
    name: os.example.com
    active: prod-a # the old one
    hosts: {prod-a: 192.0.2.10, prod-b: 192.0.2.11}

    verify:
      - {name: public, kind: http, url: "https://os.example.com/", headers: {x-served-by: "%host%"}}
  choiros:other: {active: prod-a}
`;
const FLOW = `config:
  choiros:traffic: {kind: route53, zoneId: Z0123456789ABCDEFGHIJ, name: os.example.com, hosts: {prod-a: 192.0.2.10, prod-b: 192.0.2.11}, verify: [{name: public, kind: command, argv: ["true"]}], active: "prod-a"}
`;

describe("the stack that says who gets public traffic", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "promote-traffic-"));
    writeFileSync(join(directory, "Pulumi.yaml"), "name: choiros\n");
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const put = (stack: string, text: string) => {
    const file = join(directory, `Pulumi.${stack}.yaml`);
    writeFileSync(file, text);
    return file;
  };
  const stops = (message: RegExp, work: () => unknown) =>
    assert.throws(work, (error) => {
      assert.ok(error instanceof Stop && error.code === EXIT.usage, String(error));
      assert.match(error.message, message);
      return true;
    });

  it("is the only one that does, or the one that is named", () => {
    stops(/No stack in .* says where/, () => trafficStackOf(openProject(directory), undefined));
    put("traffic", BLOCK);
    put("cloud", "config:\n  choiros:ovh: {servers: {}}\n");
    assert.equal(trafficStackOf(openProject(directory), undefined).traffic.active, "prod-a");
    put("other", FLOW);
    const project = openProject(directory);
    stops(/More than one stack .* other, traffic\./, () => trafficStackOf(project, undefined));
    stops(/The stack cloud does not say .*: other, traffic\./, () =>
      trafficStackOf(project, "cloud"),
    );
    assert.equal(trafficStackOf(project, "other").name, "other");
  });

  it("says its mistakes with the names of the settings", () => {
    put("traffic", BLOCK.replace("prod-a # the old one", "nobody"));
    stops(/Pulumi\.traffic\.yaml: .*\[choiros:traffic\.active\] must be one of/s, () =>
      trafficStackOf(openProject(directory), undefined),
    );
  });

  for (const [how, text] of [
    ["a block", BLOCK],
    ["a line", FLOW],
  ] as const)
    it(`is told who is active where its settings are ${how}, and nothing else changes`, () => {
      const file = put("traffic", text);
      const project = openProject(directory);
      const putBack = writeActive(project, trafficStackOf(project, undefined), "prod-b");
      const after = readFileSync(file, "utf8");
      assert.equal(
        after.replace(/active: prod-b/, `active: ${text === FLOW ? '"prod-a"' : "prod-a"}`),
        text,
      );
      const { config } = parseYaml(after) as { config: Record<string, { active: string }> };
      assert.equal(config["choiros:traffic"]?.active, "prod-b");
      putBack();
      assert.equal(readFileSync(file, "utf8"), text);
    });

  it("stays as it was where it is written in another way", () => {
    const text = JSON.stringify(parseYaml(FLOW));
    const file = put("traffic", text);
    const project = openProject(directory);
    assert.throws(
      () => writeActive(project, trafficStackOf(project, undefined), "prod-b"),
      /cannot be changed in it\. No traffic was moved\. Write `active: prod-b` yourself/,
    );
    assert.equal(readFileSync(file, "utf8"), text);
    assert.equal(withActive("config: {}\n", "choiros", "x"), "config: {}\n");
  });
});
