import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Ended, Project } from "../../lab/project.ts";

describe("a stack without a host, by the real CLI", function () {
  this.timeout(60_000);
  let directory: string;
  let project: Project;

  before("a project, and no lab: nothing is reached", () => {
    directory = mkdtempSync(join(tmpdir(), "nixos-promote-cloud-"));
    const env = {
      PULUMI_CONFIG_PASSPHRASE: "cloud",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      PULUMI_SKIP_UPDATE_CHECK: "true",
    };
    project = new Project({ dir: directory, env });
  });

  after(() => rmSync(directory, { recursive: true }));

  async function preview(stack: string, lines: readonly string[]): Promise<Ended> {
    await project.must(["stack", "init", stack]);
    const text = ["config:", ...lines.map((line) => `  ${line}`), ""].join("\n");
    writeFileSync(join(project.directory, `Pulumi.${stack}.yaml`), text);
    return project.pulumi(["preview", "--stack", stack]);
  }

  it("is asked for no setting of a host, and told all of its own mistakes at once", async () => {
    const { code, output } = await preview("wrong", [
      "choiros:traffic: {kind: route53, zoneId: Z0123456789ABCDEFGHIJ, name: os.example.com, active: a, hosts: {a: here}}",
      "choiros:ovh: {servers: {}}",
    ]);
    assert.notEqual(code, 0);
    assert.match(output, /The configuration of this stack has mistakes; nothing was touched/);
    assert.match(output, /\[choiros:traffic\.hosts\.a\] must be an IP address/);
    assert.match(output, /\[choiros:ovh\.servers\] must name at least one server/);
    assert.doesNotMatch(output, /choiros:host/);
  });

  it("moves no traffic to a host whose stack has never been up", async () => {
    const { code, output } = await preview("early", [
      "choiros:traffic: {kind: route53, zoneId: Z0123456789ABCDEFGHIJ, name: os.example.com, active: a, hosts: {a: 192.0.2.1}, stacks: {a: wrong}, verify: [{name: public, kind: command, argv: [visit]}]}",
    ]);
    assert.notEqual(code, 0);
    assert.match(
      output,
      /\[traffic\.active\] wrong does not say that it runs a healthy\. No traffic was moved/,
    );
  });

  it("that has nothing at all is asked for the settings of a host", async () => {
    const { code, output } = await preview("empty", []);
    assert.notEqual(code, 0);
    assert.match(output, /\[choiros:host\]/);
    assert.match(output, /\[choiros:release\]/);
  });
});
