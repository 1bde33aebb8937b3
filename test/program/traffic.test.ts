import assert from "node:assert/strict";
import { type CloudRan, type CloudWorld, INSTANCE, runCloud } from "../support/cloud.ts";

const hosts = { "prod-aws": "192.0.2.10", "prod-ovh": "198.51.100.20" };
const instances = { "prod-aws": INSTANCE, spare: "i-0fedcba9876543210" };
const services = { "prod-ovh": "ns1234567.ip-192-0-2.eu", spare: "ns7654321.ip-192-0-2.eu" };
const route53 = { kind: "route53", zoneId: "Z0123456789ABCDEFGHIJ", name: "os.example.com", hosts };

function run(traffic: object, world: CloudWorld = {}): Promise<CloudRan> {
  return runCloud({ traffic }, world);
}

/** What of the only resource differs between two places for the traffic. */
async function flip(traffic: object, from: string, to: string) {
  const [before, after] = [
    await run({ ...traffic, active: from }),
    await run({ ...traffic, active: to }),
  ];
  const [one, other] = [before, after].map(({ registrations }) =>
    registrations.find(({ parent }) => parent !== ""),
  );
  assert.ok(one !== undefined && other !== undefined);
  assert.equal(
    `${one.parent} ${one.type} ${one.name}`,
    `${other.parent} ${other.type} ${other.name}`,
  );
  const differing = Object.keys(other.inputs).filter(
    (key) => JSON.stringify(one.inputs[key]) !== JSON.stringify(other.inputs[key]),
  );
  return { resource: other, differing };
}

describe("public traffic", () => {
  describe("by a record of Route 53", () => {
    it("is flipped by an update of its address alone", async () => {
      const { resource, differing } = await flip(route53, "prod-aws", "prod-ovh");
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
    const traffic = { kind: "ovhRecord", zone: "example.com", subdomain: "os", hosts };

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
      const traffic = { kind: "ovhIp", ip: "192.0.2.30/32", hosts: services };
      const { resource, differing } = await flip(traffic, "prod-ovh", "spare");
      assert.deepEqual(differing, ["routedTo"]);
      assert.equal(resource.type, "ovh:Ip/move:Move");
      assert.deepEqual(resource.inputs["routedTo"], { serviceName: "ns7654321.ip-192-0-2.eu" });
      assert.ok(resource.protect && resource.retainOnDelete);
    });
  });

  describe("that goes only to a host that is known to be healthy", () => {
    const traffic = { ...route53, active: "prod-ovh", stacks: { "prod-ovh": "prod-ovh" } };
    const said = (outputs: object) => ({ stacks: { "organization/choiros/prod-ovh": outputs } });

    it("goes there", async () => {
      const { the, outputs } = await run(traffic, said({ healthy: true }));
      assert.deepEqual(the("aws:route53/record:Record").inputs["records"], ["198.51.100.20"]);
      assert.deepEqual(outputs["traffic"], { active: "prod-ovh", standby: ["prod-aws"] });
    });

    for (const [what, outputs] of [
      ["is not healthy", { healthy: false }],
      ["has never been up", {}],
      ["says something else", { healthy: "true" }],
    ] as const)
      it(`stays where it is when that host ${what}`, async () => {
        await assert.rejects(
          run(traffic, said(outputs)),
          /\[traffic\.active\] prod-ovh does not say that it runs prod-ovh healthy\. No traffic was moved\. Run `pulumi up --stack prod-ovh` first/,
        );
      });

    it("goes back to another host without being asked of its health", async () => {
      const { registrations } = await run({ ...traffic, active: "prod-aws" });
      assert.ok(!registrations.some(({ type }) => type === "pulumi:pulumi:StackReference"));
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
    ["by a way that there is not", { kind: "pigeon" }, /\[choiros:traffic\.kind\]/],
  ] as const)
    it(`is refused ${what}, before any is moved`, () => assert.rejects(run(traffic), said));
});
