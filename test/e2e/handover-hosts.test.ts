// Public traffic that a cloud moves, between lab hosts whose stacks say what they run: see handover.test.ts.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LabHost } from "../../lab/lab.ts";
import { AwsApi } from "../support/aws-api.ts";
import { Moto } from "../support/moto.ts";
import { type Resolved, resolve } from "../support/resolver.ts";
import { NAME, useAws, usePeople } from "./moved-by-cloud.ts";
import { Swap } from "./swap.ts";

const PORT = 8081;

describe("public traffic that a cloud moves between hosts that have stacks", function () {
  this.timeout(300_000);
  let swap: Swap;
  let moto: Moto;
  let aws: AwsApi;
  let allocation: string;
  let resolved: Resolved;

  before("prod and spare run release a, and an address leads to prod", async function () {
    this.timeout(900_000);
    moto = await Moto.start(this);
    aws = new AwsApi(moto.url);
    swap = await Swap.open();
    await swap.up("standby");
    for (const host of [swap.prod, swap.spare]) await nameItself(host);
    const { project } = swap.world;
    allocation = await aws.allocateAddress();
    const cache = join(project.directory, "resolver");
    resolved = { url: moto.url, name: NAME, cache, by: { allocation } };
    useAws(project, moto.url);
    usePeople(project, resolved);
    const instances = [
      await aws.runInstance(swap.prod.address),
      await aws.runInstance(swap.spare.address),
    ];
    writeFileSync(
      join(project.directory, "Pulumi.address.yaml"),
      `config:
  choiros:traffic:
    kind: elasticIp
    allocationId: ${allocation}
    active: prod
    hosts: {prod: ${instances[0]}, spare: ${instances[1]}}
    stacks: {prod: prod, spare: standby}
    drainSeconds: 1
    verify:
      - name: public
        kind: http
        url: http://${NAME}:${PORT}/health
        body: '"26\\.05\\.%shortRev%"'
        headers: {x-served-by: "^%host%$"}
        deadlineSeconds: 8
`,
    );
    await project.must(["stack", "init", "address"]);
    await swap.up("address");
    assert.equal(await resolve(resolved), swap.prod.address);
  });

  after("the lab goes", async () => {
    moto?.stop();
    await swap?.close();
  });

  const flip = async (to: string, code: number) => {
    const args = ["traffic", "--to", to, "--stack", "address", "--yes"];
    const ended = await swap.world.project.promote(args);
    assert.equal(ended.code, code, ended.output);
    return ended.output.replace(/\s+/g, " ");
  };

  it("goes to none that is ill now, whatever its stack says: it never moves", async () => {
    const before = await aws.association(allocation);
    await swap.spare.must(["systemctl", "stop", "hypervisor.service"]);
    const said = await flip("spare", 1);
    await swap.spare.must(["systemctl", "start", "hypervisor.service"]);
    assert.match(
      said,
      /spare is not fit to be active: hypervisor-unit is not healthy: inactive \(dead\)\. No traffic was moved: it goes to prod \(i-\w+\)\. Run `pulumi up --stack standby` first\./,
    );
    assert.deepEqual(await aws.association(allocation), before);
  });

  it("goes to one that is well, and back", async () => {
    const said = await flip("spare", 0);
    assert.match(said, /before spare passes hypervisor-unit, hypervisor, /);
    assert.equal(await resolve(resolved), swap.spare.address);
    await flip("prod", 0);
    assert.equal(await resolve(resolved), swap.prod.address);
  });

  it("goes to no other release, unless that is named", async () => {
    await swap.world.push("b");
    await swap.world.up("grind");
    await swap.up("standby");
    const said = await flip("spare", 1);
    assert.match(
      said,
      /\[traffic\.active\] prod runs release \w{12}, and spare \w{12}\. No traffic was moved: it goes to prod/,
    );
    assert.equal(await resolve(resolved), swap.prod.address);
  });
});

/** Answers people with the release that it runs, and with its own name. */
async function nameItself(host: LabHost): Promise<void> {
  const caddyfile = `{
  admin off
  auto_https off
}
http://:${PORT} {
  reverse_proxy localhost:80 {
    header_down X-Served-By ${host.name.replace("choiros-", "")}
  }
}
`;
  const script =
    'cat >"$1"; exec systemd-run --quiet --unit=names-itself --setenv=HOME=/root caddy run --config "$1" --adapter caddyfile';
  await host.must(["sh", "-c", script, "sh", "/run/names-itself.caddy"], { input: caddyfile });
}
