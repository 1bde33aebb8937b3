import assert from "node:assert/strict";
import { type CloudRan, type CloudWorld, INSTANCE, runCloud } from "../support/cloud.ts";
import { OTHER_REV, REV, SYSTEM_B } from "../support/samples.ts";

const hosts = { "prod-aws": "192.0.2.10", "prod-ovh": "198.51.100.20" };
const instances = { "prod-aws": INSTANCE, spare: "i-0fedcba9876543210" };
const services = { "prod-ovh": "ns1234567.ip-192-0-2.eu", spare: "ns7654321.ip-192-0-2.eu" };
const page = { kind: "http", name: "public", url: "https://os.example.com/" };
const verify = [{ ...page, headers: { "x-served-by": "^%host%$" } }];
const route53 = {
  ...{ kind: "route53", zoneId: "Z0123456789ABCDEFGHIJ", name: "os.example.com", hosts, verify },
};

function run(traffic: object, world: CloudWorld = {}): Promise<CloudRan> {
  return runCloud({ traffic }, world);
}

/** What differs between two places for the traffic, in the resource of the cloud; it is registered behind our own, and before it. */
async function flip(traffic: object, from: string, to: string) {
  const [before, after] = [
    await run({ ...traffic, active: from }),
    await run({ ...traffic, active: to }),
  ];
  assert.deepEqual(
    before.registrations.map(({ parent, type, name }) => `${parent} ${type} ${name}`),
    after.registrations.map(({ parent, type, name }) => `${parent} ${type} ${name}`),
  );
  const [one, other] = [before, after].map(movedIn);
  assert.ok(one !== undefined && other !== undefined);
  const fitness = after.the("nixos:index:Fitness");
  const proof = after.the("nixos:index:Proof");
  assert.deepEqual(other.dependsOn, ["nixos:index:Fitness::traffic-fitness"]);
  assert.deepEqual(proof.dependsOn, [`${other.type}::${other.name}`]);
  for (const { parent } of [fitness, other, proof]) assert.match(parent, /^choiros:traffic:/);
  const differing = Object.keys(other.inputs).filter(
    (key) => JSON.stringify(one.inputs[key]) !== JSON.stringify(other.inputs[key]),
  );
  return { resource: other, differing, fitness, proof };
}

/** The resource of the cloud's own provider. */
function movedIn({ registrations }: CloudRan) {
  return registrations.find(({ parent, type }) => parent !== "" && !type.startsWith("nixos:"));
}

describe("public traffic", () => {
  describe("by a record of Route 53", () => {
    it("is flipped by an update of its address alone", async () => {
      const { resource, differing, fitness, proof } = await flip(route53, "prod-aws", "prod-ovh");
      const to = { name: "prod-ovh", target: "198.51.100.20" };
      const move = "the record os.example.com becomes 198.51.100.20, which all see within 60 s";
      assert.deepEqual(fitness.inputs, { to, move });
      assert.deepEqual(proof.inputs, { to, verify, settleSeconds: 60, drainSeconds: 30 });
      assert.deepEqual(differing, ["records"]);
      assert.equal(resource.type, "aws:route53/record:Record");
      assert.deepEqual(resource.inputs, {
        ...{ zoneId: "Z0123456789ABCDEFGHIJ", name: "os.example.com", type: "A", ttl: 60 },
        ...{ records: ["198.51.100.20"], allowOverwrite: false },
      });
    });

    it("goes on when the stack goes, and takes over a record only when told", async () => {
      const record = (await run({ ...route53, active: "prod-aws", takeOver: true })).the(
        "aws:route53/record:Record",
      );
      assert.ok(record.protect && record.retainOnDelete);
      assert.equal(record.inputs["allowOverwrite"], true);
    });

    it("knows an IPv6 address", async () => {
      const v6 = { ...route53, hosts: { a: "2001:db8::1" }, active: "a" };
      assert.equal((await run(v6)).the("aws:route53/record:Record").inputs["type"], "AAAA");
    });
  });

  describe("by an Elastic IP", () => {
    const traffic = {
      ...{ kind: "elasticIp", allocationId: "eipalloc-0123456789abcdef0", hosts: instances },
      verify,
    };

    it("is flipped by a new association, which takes the address over in one call", async () => {
      const { resource, differing } = await flip(traffic, "prod-aws", "spare");
      assert.deepEqual(differing, ["instanceId"]);
      assert.equal(resource.type, "aws:ec2/eipAssociation:EipAssociation");
      assert.equal(resource.inputs["allowReassociation"], true);
      assert.equal(resource.deleteBeforeReplace, false);
      assert.ok(
        resource.retainOnDelete,
        "the old one is gone by then: AWS would know no such association",
      );
    });

    it("never makes or deletes the address itself", async () => {
      const { registrations } = await run({ ...traffic, active: "spare" });
      assert.ok(!registrations.some(({ type }) => type === "aws:ec2/eip:Eip"));
    });
  });

  describe("by a record of a zone at OVH", () => {
    const traffic = { kind: "ovhRecord", zone: "example.com", subdomain: "os", hosts, verify };

    it("is flipped by an update of its target alone", async () => {
      const { resource, differing } = await flip(traffic, "prod-aws", "prod-ovh");
      assert.deepEqual(differing, ["target"]);
      assert.deepEqual(resource.inputs, {
        ...{ zone: "example.com", subdomain: "os", fieldtype: "A", ttl: 60 },
        target: "198.51.100.20",
      });
      assert.ok(resource.protect && resource.retainOnDelete);
    });

    it("takes over a record that is there, by its number", async () => {
      const record = (await run({ ...traffic, active: "prod-aws", recordId: "5123456789" })).the(
        "ovh:Domain/zoneRecord:ZoneRecord",
      );
      assert.equal(record.importId, "5123456789.example.com");
    });
  });

  describe("by an additional IP of OVH", () => {
    it("is flipped by an update of the service that it is routed to", async () => {
      const traffic = { kind: "ovhIp", ip: "192.0.2.30/32", hosts: services, verify };
      const { resource, differing } = await flip(traffic, "prod-ovh", "spare");
      assert.deepEqual(differing, ["routedTo"]);
      assert.equal(resource.type, "ovh:Ip/move:Move");
      assert.deepEqual(resource.inputs["routedTo"], { serviceName: "ns7654321.ip-192-0-2.eu" });
      assert.ok(resource.protect && resource.retainOnDelete);
    });
  });

  it("waits as long as each kind takes until all people are sent to the new one", async () => {
    const settles = async (traffic: object) =>
      (await run(traffic)).the("nixos:index:Proof").inputs["settleSeconds"];
    const ip = { allocationId: "eipalloc-0123456789abcdef0", hosts: instances, verify };
    const moved = { ip: "192.0.2.30/32", hosts: services, verify };
    for (const [traffic, seconds] of [
      [{ ...route53, ttl: 300, active: "prod-aws" }, 300],
      [{ ...route53, ttl: 86400, active: "prod-aws" }, 600],
      [{ kind: "ovhRecord", zone: "example.com", hosts, verify, active: "prod-aws" }, 60],
      [{ kind: "elasticIp", ...ip, active: "spare" }, 0],
      [{ kind: "ovhIp", ...moved, active: "spare" }, 120],
    ] as const)
      assert.equal(await settles(traffic), seconds);
  });

  describe("that goes only to a host that is known to be healthy", () => {
    const stacks = { "prod-aws": "prod", "prod-ovh": "prod-ovh" };
    const traffic = { ...route53, active: "prod-ovh", stacks };
    const release = { id: "id-1", rev: REV, toplevel: SYSTEM_B };
    const contract = { connection: { kind: "local" }, probes: [] };
    const state = { release, healthy: true, healthySince: 5 };
    const well = { ...state, examinable: contract };
    const before = { traffic: { active: "prod-aws", target: "192.0.2.10", standby: [] } };
    const said = (ovh: object, { aws = well, own = before as object } = {}) => ({
      stacks: {
        "organization/choiros/prod-ovh": ovh,
        "organization/choiros/prod": aws,
        "organization/choiros/cloud": own,
      },
    });
    const where = "No traffic was moved: it goes to prod-aws \\(192\\.0\\.2\\.10\\)\\.";

    it("goes there, and says to our own resources from whom and what that host is to be", async () => {
      const { the, outputs } = await run(traffic, said(well));
      assert.deepEqual(the("aws:route53/record:Record").inputs["records"], ["198.51.100.20"]);
      const roles = { active: "prod-ovh", target: "198.51.100.20", standby: ["prod-aws"] };
      assert.deepEqual(outputs["traffic"], roles);
      const from = { name: "prod-aws", target: "192.0.2.10" };
      for (const type of ["nixos:index:Fitness", "nixos:index:Proof"]) {
        const { inputs } = the(type);
        assert.deepEqual(inputs["from"], from);
        assert.deepEqual(inputs["to"], {
          ...{ name: "prod-ovh", target: "198.51.100.20" },
          said: { ...state, stack: "prod-ovh", examination: contract },
        });
      }
    });

    for (const [what, outputs] of [
      ["is not healthy", { ...well, healthy: false }],
      ["has never been up", {}],
      ["says something else", { ...well, healthy: "true" }],
    ] as const)
      it(`stays where it is when that host ${what}`, async () => {
        await assert.rejects(
          run(traffic, said(outputs)),
          new RegExp(
            `\\[traffic\\.active\\] prod-ovh does not say that it runs prod-ovh healthy\\. ${where} Run \`pulumi up --stack prod-ovh\` first`,
          ),
        );
      });

    for (const [what, more, outputs, message] of [
      [
        "runs another release than the old one",
        {},
        { ...well, release: { ...release, id: "id-2", rev: OTHER_REV } },
        "\\[traffic\\.active\\] prod-aws runs release \\w{12}, and prod-ovh \\w{12}",
      ],
      [
        "runs another release than the one that is named",
        { release: OTHER_REV },
        well,
        "\\[traffic\\.release\\] prod-ovh is to run release",
      ],
      [
        "has not been healthy for long enough",
        { minHealthySeconds: 3600 },
        { ...well, healthySince: Math.floor(Date.now() / 1000) },
        "\\[traffic\\.minHealthySeconds\\]",
      ],
    ] as const)
      it(`stays where it is when that host ${what}`, () =>
        assert.rejects(
          run({ ...traffic, ...more }, said(outputs)),
          new RegExp(`${message}.*${where}`, "s"),
        ));

    it("is not asked for what the others say while traffic stays", async () => {
      const own = { traffic: { active: "prod-ovh", target: "198.51.100.20" } };
      const { the } = await run(traffic, said({}, { own }));
      assert.deepEqual(the("nixos:index:Fitness").inputs["from"], {
        ...{ name: "prod-ovh", target: "198.51.100.20" },
      });
    });

    it("takes a new address of the same host for a flip, and what an older version has said for none", async () => {
      const moved = { traffic: { active: "prod-ovh", target: "198.51.100.99" } };
      await assert.rejects(run(traffic, said({}, { own: moved })), /No traffic was moved/);
      await run(traffic, said({}, { own: { traffic: { active: "prod-ovh" } } }));
    });

    it("goes back whatever the old host's stack says: nobody has proven the new one", async () => {
      const { the } = await run(
        { ...traffic, active: "prod-aws" },
        said(well, { aws: {} as never }),
      );
      assert.deepEqual(the("aws:route53/record:Record").inputs["records"], ["192.0.2.10"]);
    });
  });

  for (const [what, traffic, said] of [
    [
      "to a host that there is not",
      { ...route53, active: "other" },
      /\[choiros:traffic\.active\] must be one of \[traffic\.hosts\]/,
    ],
    [
      "to something that is no address",
      { ...route53, hosts: { a: "example.com" }, active: "a" },
      /\[choiros:traffic\.hosts\.a\] must be an IP address/,
    ],
    [
      "that waits for the health of a host that there is not",
      { ...route53, active: "prod-aws", stacks: { x: "y" } },
      /\[choiros:traffic\.stacks\] must name hosts/,
    ],
    [
      "without a test of what people get",
      { ...route53, active: "prod-aws", verify: undefined },
      /\[choiros:traffic\.verify\]/,
    ],
    [
      "with tests that cannot tell two hosts with one release",
      {
        ...{ ...route53, active: "prod-aws", stacks: { "prod-aws": "prod", "prod-ovh": "x" } },
        verify: [{ ...page, body: "%rev%" }],
      },
      /\[choiros:traffic\.verify\] must hold a test that tells which host answers/,
    ],
    [
      "with tests that ask for a release which no stack says",
      { ...route53, active: "prod-aws", verify: [{ ...verify[0], body: "%shortRev%" }] },
      /\[choiros:traffic\.verify\] asks for a release: name the stack of each/,
    ],
    ["by a way that there is not", { kind: "pigeon" }, /\[choiros:traffic\.kind\]/],
  ] as const)
    it(`is refused ${what}, before any is moved`, () => assert.rejects(run(traffic), said));
});

describe("public traffic by a proxy of one's own", () => {
  const at = { "prod-a": "http://192.0.2.10:80", "prod-b": "http://192.0.2.11:80" };
  const traffic = {
    ...{ kind: "reverseProxy", proxy: { kind: "ssh", host: "proxy" }, hosts: at, active: "prod-a" },
    stacks: { "prod-a": "prod", "prod-b": "standby" },
    verify: [{ kind: "http", name: "public", url: "https://os.example.com/", body: "%rev%" }],
  };
  const examinable = { connection: { kind: "local" }, probes: [] };
  const release = { id: "id-1", rev: REV, toplevel: SYSTEM_B, subject: "hello", manifest: {} };
  const said = {
    ...{ release, healthy: true, healthySince: 5, examinable },
    host: { machineId: "0".repeat(32), hostname: "prod" },
  };
  const stacks = { "organization/choiros/prod": said, "organization/choiros/standby": said };

  it("is a front that knows what the stacks of all its hosts say", async () => {
    const { the, outputs } = await run(traffic, { stacks });
    const { inputs, parent } = the("nixos:index:Front");
    assert.match(parent, /choiros:traffic:ReverseProxy::traffic$/);
    const member = {
      ...{ healthy: true, healthySince: 5, machineId: "0".repeat(32), examination: examinable },
      release: { id: "id-1", rev: REV, toplevel: SYSTEM_B },
    };
    assert.deepEqual(inputs, {
      ...{ connection: traffic.proxy, file: "/var/lib/nixos-promote/traffic/active.caddy" },
      ...{ unit: "caddy.service", active: "prod-a", minHealthySeconds: 0, drainSeconds: 30 },
      members: {
        "prod-a": { ...member, target: at["prod-a"], stack: "prod" },
        "prod-b": { ...member, target: at["prod-b"], stack: "standby" },
      },
      verify: traffic.verify,
    });
    const roles = { active: "prod-a", target: at["prod-a"], standby: ["prod-b"] };
    assert.deepEqual(outputs["traffic"], roles);
  });

  it("is flipped by an update of who is active alone", async () => {
    const [before, after] = [
      await run(traffic, { stacks }),
      await run({ ...traffic, active: "prod-b" }, { stacks }),
    ].map(({ the }) => the("nixos:index:Front"));
    assert.deepEqual({ ...after?.inputs, active: "prod-a" }, before?.inputs);
    assert.equal(after?.name, before?.name);
  });

  it("is told by the provider, not by the program, that a host is not fit: nothing may be to flip", async () => {
    const { the } = await run(traffic, {
      stacks: { "organization/choiros/prod": { healthy: "yes" } },
    });
    const members = the("nixos:index:Front").inputs["members"] as Record<string, object>;
    const nothing = { healthy: false, release: null };
    const unknown = { ...nothing, examination: null };
    assert.deepEqual(members["prod-a"], { ...unknown, target: at["prod-a"], stack: "prod" });
    assert.deepEqual(members["prod-b"], { ...unknown, target: at["prod-b"], stack: "standby" });
  });

  for (const [what, more, message] of [
    [
      "without the stack of each host",
      { stacks: { "prod-a": "prod" } },
      /traffic\.stacks\] must name the stack of each/,
    ],
    [
      "with two hosts in one place",
      { hosts: { ...at, "prod-b": at["prod-a"] } },
      /traffic\.hosts\] must be in different places/,
    ],
    [
      "with an address that has no port",
      { hosts: { ...at, "prod-b": "192.0.2.11" } },
      /traffic\.hosts\.prod-b\] must be an address with its port/,
    ],
    [
      "with an address that is more to Caddy",
      { hosts: { ...at, "prod-b": "{env.X}:80" } },
      /traffic\.hosts\.prod-b\] must be an address/,
    ],
    [
      "with tests that tell nobody from another",
      { verify: [{ kind: "http", name: "x", url: "http://x/" }] },
      /traffic\.verify\] must hold a test that tells who answers/,
    ],
    [
      "with a file that is hidden or relative",
      { file: "/etc/.x" },
      /traffic\.file\] must be an absolute path/,
    ],
    ["with a release that is none", { release: "main" }, /traffic\.release\]/],
  ] as const)
    it(`is refused ${what}, before anything is touched`, () =>
      assert.rejects(run({ ...traffic, ...more }, { stacks }), message));
});
