// Public traffic that a cloud moves, by the real CLI and our real provider. AWS's own plugin cannot be had everywhere: one of
// ours stands in for it, and speaks AWS's protocols to moto. People find their way by what moto says.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Project, type PulumiOptions } from "../../lab/project.ts";
import { AwsApi } from "../support/aws-api.ts";
import { Moto } from "../support/moto.ts";
import { type Resolved, resolve } from "../support/resolver.ts";
import { ADDRESSES, type Host, NAME, useAws, usePeople, Visited } from "./moved-by-cloud.ts";

describe("public traffic that a cloud moves", function () {
  this.timeout(200_000);
  let directory: string;
  let project: Project;
  let moto: Moto;
  let aws: AwsApi;
  let hosts: Record<Host, Visited>;
  let resolved: Resolved;
  let file: string;

  before("two hosts, an AWS, and a project without a lab", async function () {
    moto = await Moto.start(this);
    aws = new AwsApi(moto.url);
    directory = mkdtempSync(join(tmpdir(), "nixos-promote-handover-"));
    const env = {
      PULUMI_CONFIG_PASSPHRASE: "handover",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      PULUMI_SKIP_UPDATE_CHECK: "true",
    };
    project = new Project({ dir: directory, env });
    useAws(project, moto.url);
    hosts = { prod: new Visited("prod"), spare: new Visited("spare") };
  });

  after(() => {
    for (const host of Object.values(hosts ?? {})) host.close();
    moto?.hold(false);
    moto?.stop();
    if (directory !== undefined) rmSync(directory, { recursive: true });
  });

  /** A stack of its own for a kind; people find their way by what that kind moves. */
  async function stack(
    name: string,
    settings: string,
    at: Record<Host, string>,
    by: Resolved["by"],
    port: number,
  ): Promise<void> {
    file = join(project.directory, `Pulumi.${name}.yaml`);
    writeFileSync(
      file,
      `config:
  choiros:traffic:
${settings}
    active: prod # who people get
    hosts: {prod: ${at.prod}, spare: ${at.spare}}
    drainSeconds: 2
    verify:
      - name: public
        kind: http
        url: http://${NAME}:${port}/
        headers: {x-served-by: "^%host%$"}
        deadlineSeconds: 2
`,
    );
    resolved = { url: moto.url, name: NAME, cache: join(directory, `${name}.resolver`), by };
    usePeople(project, resolved);
    await project.must(["stack", "init", name]);
  }

  const written = () => /active: (\w+) # who people get/.exec(readFileSync(file, "utf8"))?.[1];
  const write = (host: Host) =>
    writeFileSync(file, readFileSync(file, "utf8").replace(/active: \w+/, `active: ${host}`));
  const served = async () => {
    const address = await resolve(resolved);
    return Object.entries(ADDRESSES).find(([, at]) => at === address)?.[0];
  };
  const up = (name: string) => ["up", "--yes", "--skip-preview", "--stack", name];
  const oneLine = ({ output }: { output: string }) => output.replace(/\s+/g, " ");
  const proven = async (name: string) => {
    const { stdout } = await project.must(["stack", "output", "--json", "--stack", name]);
    return (JSON.parse(stdout) as { traffic?: { active: string } }).traffic?.active;
  };
  const flip = async (to: Host, code: number, options: PulumiOptions = {}, more = ["--yes"]) => {
    const ended = await project.promote(
      ["traffic", "--to", to, "--stack", current, ...more],
      options,
    );
    assert.equal(ended.code, code, ended.output);
    return oneLine(ended);
  };
  let current: string;

  describe("by an address that an instance has", () => {
    before("an instance for each, and an address", async () => {
      current = "address";
      const port = await hosts.prod.listen("prod", 0);
      await hosts.spare.listen("spare", port);
      const at = {
        prod: await aws.runInstance(ADDRESSES.prod),
        spare: await aws.runInstance(ADDRESSES.spare),
      };
      const allocation = await aws.allocateAddress();
      const settings = `    kind: elasticIp\n    allocationId: ${allocation}`;
      await stack(current, settings, at, { allocation }, port);
    });

    beforeEach(() => {
      for (const host of Object.values(hosts)) Object.assign(host, { ill: false, onVisit() {} });
    });

    it("01 begins with one who gets it, which people have to see", async () => {
      hosts.prod.ill = true;
      const said = await flip("prod", 3);
      assert.match(
        said,
        /prod did not get public traffic for good: the smoke test public failed, seen from the operator's machine: 503\. .*Traffic goes to prod \(i-\w+\) now, and nobody has had it before/,
      );
      assert.match(said, /It is sent to prod all the same\. There is nobody to go back to/);
      assert.equal(await proven(current), undefined);
      hosts.prod.ill = false;
      await project.must(up(current));
      assert.deepEqual([await served(), await proven(current)], ["prod", "prod"]);
      assert.match((await project.must(up(current))).output, /unchanged/);
      const told = await project.promote(["traffic", "--stack", current]);
      assert.match(told.output, /Public traffic goes to prod \(i-\w+\)\. On standby: spare\./);
    });

    it("02 is previewed, and moves nothing without a yes", async () => {
      const text = readFileSync(file, "utf8");
      const said = await flip("spare", 5, {}, []);
      assert.match(said, /Public traffic goes from prod \(i-\w+\) to spare \(i-\w+\)/);
      assert.match(said, /before nobody asks spare whether it is healthy/);
      assert.match(said, /move the address eipalloc-\w+ goes to i-\w+, at once/);
      assert.match(said, /after public, asked from here/);
      assert.match(said, /Send public traffic to spare, and back to prod if it fails\?/);
      assert.equal(readFileSync(file, "utf8"), text);
      assert.equal(await served(), "prod");
    });

    it("03 moves there when people get it, and stays", async () => {
      const said = await flip("spare", 0);
      assert.match(said, /Public traffic goes to spare \(i-\w+\), and did to prod \(i-\w+\)\./);
      assert.deepEqual(
        [await served(), await proven(current), written()],
        ["spare", "spare", "spare"],
      );
      assert.match(await flip("spare", 0), /there is nothing to do/);
    });

    it("04 is taken back when people do not get the new one", async () => {
      hosts.prod.ill = true;
      let visited = 0;
      hosts.prod.onVisit = () => {
        visited += 1;
      };
      const said = await flip("prod", 1);
      assert.ok(visited > 0, "traffic has never moved");
      assert.match(said, /prod did not get public traffic for good: the smoke test public failed/);
      assert.match(said, /It goes to spare, and \S+ says so\. Mend it, and run the same command/);
      assert.deepEqual(
        [await served(), await proven(current), written()],
        ["spare", "spare", "spare"],
      );
      assert.match((await project.must(["preview", "--stack", current])).output, /unchanged/);
    });

    it("05 stays where a plain up has moved it, which says so, and the command takes it back", async () => {
      hosts.prod.ill = true;
      write("prod");
      const ended = await project.pulumi(up(current));
      assert.notEqual(ended.code, 0);
      assert.match(
        oneLine(ended),
        /Traffic goes to prod \(i-\w+\) now: a plain `pulumi up` cannot take it back\. To send it to spare \(i-\w+\) again: `promote traffic --stack address --to spare`, or write `active: spare`/,
      );
      assert.deepEqual([await served(), await proven(current)], ["prod", "spare"]);
      const told = oneLine(await project.promote(["traffic", "--stack", current]));
      assert.match(told, /address is to send it to prod, and has not been seen to/);
      await flip("spare", 0);
      assert.deepEqual(
        [await served(), await proven(current), written()],
        ["spare", "spare", "spare"],
      );
    });

    it("06 says so when people do not get the old one either", async () => {
      hosts.prod.ill = true;
      hosts.prod.onVisit = () => {
        hosts.spare.ill = true;
      };
      const said = await flip("prod", 3);
      assert.match(said, /sent back to spare, but people were not seen to get that one either/);
      assert.deepEqual([await served(), written()], ["spare", "spare"]);
      hosts.spare.ill = false;
      await project.must(up(current));
    });

    it("07 is taken back when it is stopped halfway", async () => {
      const stop = new AbortController();
      hosts.prod.onVisit = () => stop.abort();
      const said = await flip("prod", 130, { interrupt: stop.signal });
      assert.match(said, /Stopped before prod was seen to get public traffic\. It goes to spare/);
      assert.deepEqual(
        [await served(), await proven(current), written()],
        ["spare", "spare", "spare"],
      );
    });

    it("08 says so when the way back fails too, and what tries again", async () => {
      hosts.prod.ill = true;
      hosts.prod.onVisit = () => moto.hold(true);
      const said = await flip("prod", 4);
      moto.hold(false);
      assert.match(said, /THE WAY BACK FAILED TOO: see above\. Where traffic goes is not known/);
      const [, again = ""] = /`pulumi (up --refresh --stack \w+)` tries again/.exec(said) ?? [];
      assert.equal(await served(), "prod");
      await project.must([...again.split(" "), "--yes", "--skip-preview"]);
      assert.deepEqual(
        [await served(), await proven(current), written()],
        ["spare", "spare", "spare"],
      );
    });
  });

  describe("by a record that resolvers keep for a minute", () => {
    before("a zone", async () => {
      current = "record";
      for (const host of Object.values(hosts)) host.close();
      hosts = { prod: new Visited("prod"), spare: new Visited("spare") };
      const port = await hosts.prod.listen("prod", 0);
      await hosts.spare.listen("spare", port);
      const zone = await aws.createZone("example.com.");
      const settings = `    kind: route53\n    zoneId: ${zone}\n    name: ${NAME}\n    ttl: 60`;
      await stack(current, settings, ADDRESSES, { zone }, port);
      await project.must(up(current));
      assert.equal(await served(), "prod");
    });

    const record = async () => {
      const zone = "zone" in resolved.by ? resolved.by.zone : "";
      return (await aws.record(zone, NAME))?.value;
    };

    it("is proven when the last resolver has forgotten the old one", async () => {
      await served(); // somebody has asked just now
      const began = Date.now();
      await flip("spare", 0);
      assert.ok(Date.now() - began > 45_000, "nobody has waited for what resolvers keep");
      assert.deepEqual([await record(), await served()], [ADDRESSES.spare, "spare"]);
    });

    it("leads back when people do not get the new one", async () => {
      hosts.prod.ill = true;
      await flip("prod", 1);
      assert.deepEqual([await record(), written()], [ADDRESSES.spare, "spare"]);
    });
  });
});
