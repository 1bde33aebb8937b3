import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { Policy } from "../../components/aws/policies.ts";
import { ACCOUNT, type CloudRan, INSTANCE, policyIn, REGION, runCloud } from "../support/cloud.ts";
import { isAllowed } from "../support/iam.ts";

const BUCKET = "example-closures";
const base = { region: REGION, account: ACCOUNT };
const created = {
  ...{ from: "create", ami: "ami-0123456789abcdef0", instanceType: "m7a.large" },
  ...{ vpcId: "vpc-0123456789abcdef0", subnetId: "subnet-0123456789abcdef0" },
};
const adopted = { from: "adopt", instanceId: INSTANCE };

async function refusal(aws: object): Promise<string> {
  try {
    await runCloud({ aws: { ...base, ...aws } });
  } catch (error) {
    return (error as Error).message;
  }
  return "";
}

describe("a stack with AWS", () => {
  it("does everything with one provider, which refuses credentials of another account", async () => {
    const { registrations, the } = await runCloud({
      aws: {
        ...base,
        hosts: { prod: created },
        cache: { bucket: BUCKET },
        document: { name: "nixos-promote" },
      },
    });
    const provider = the("pulumi:providers:aws");
    assert.equal(provider.inputs["region"], REGION);
    assert.deepEqual(JSON.parse(String(provider.inputs["allowedAccountIds"])), [ACCOUNT]);
    const custom = registrations.filter(({ type }) => type.startsWith("aws:"));
    assert.ok(custom.length > 10);
    for (const one of custom) assert.match(one.provider, /::aws::/, one.name);
    for (const one of custom) assert.notEqual(one.parent, "", one.name);
  });

  describe("an instance that is there already", () => {
    it("is looked up by its id, and nothing is made of it", async () => {
      const { registrations, calls, outputs } = await runCloud({
        aws: { ...base, hosts: { prod: adopted } },
      });
      assert.deepEqual(
        calls.map(({ inputs }) => inputs),
        [{ instanceId: INSTANCE }],
      );
      assert.deepEqual(
        registrations.map(({ type }) => type),
        ["pulumi:providers:aws", "choiros:aws:AwsHost"],
      );
      const { hosts } = outputs["aws"] as { hosts: Record<string, object> };
      assert.deepEqual(hosts, { prod: { instanceId: INSTANCE } });
    });

    it("is looked up by its tags, among those that run", async () => {
      const { calls } = await runCloud({
        aws: { ...base, hosts: { prod: { from: "adopt", tag: { Name: "prod", team: "a b" } } } },
      });
      assert.deepEqual(calls[0]?.inputs, {
        filters: [
          { name: "instance-state-name", values: ["running"] },
          { name: "tag:Name", values: ["prod"] },
          { name: "tag:team", values: ["a b"] },
        ],
      });
    });

    it("may read the cache by its own role, when that is named", async () => {
      const { the } = await runCloud({
        aws: {
          ...base,
          hosts: { prod: { ...adopted, role: "prod-role" } },
          cache: { bucket: BUCKET },
        },
      });
      const policy = the("aws:iam/rolePolicy:RolePolicy");
      assert.equal(policy.name, "prod-may-read-cache");
      assert.equal(policy.inputs["role"], "prod-role");
    });
  });

  describe("a new instance", () => {
    let ran: CloudRan;
    before(async () => {
      ran = await runCloud({
        aws: { ...base, hosts: { prod: created }, cache: { bucket: BUCKET } },
      });
    });
    const instance = () => ran.the("aws:ec2/instance:Instance");

    it("cannot be terminated by mistake, and its disk outlives it", () => {
      const { inputs, protect, retainOnDelete } = instance();
      assert.ok(protect && retainOnDelete);
      assert.equal(inputs["disableApiTermination"], true);
      const disk = inputs["rootBlockDevice"] as Record<string, unknown>;
      assert.deepEqual([disk["deleteOnTermination"], disk["encrypted"]], [false, true]);
    });

    it("is not replaced by a newer image or another subnet", () => {
      for (const property of ["ami", "subnetId", "userData"])
        assert.ok(instance().ignoreChanges.includes(property), property);
      assert.deepEqual(instance().replaceOnChanges, []);
    });

    it("hands its credentials to nobody who merely makes it fetch a URL", () => {
      assert.deepEqual(instance().inputs["metadataOptions"], {
        ...{ httpTokens: "required", httpPutResponseHopLimit: 1 },
      });
    });

    it("lets nothing in, ssh neither, unless it is told", async () => {
      const group = "aws:ec2/securityGroup:SecurityGroup";
      assert.deepEqual(ran.the(group).inputs["ingress"], []);
      const inbound = [
        { port: 443, from: "0.0.0.0/0" },
        { port: 443, from: "::/0" },
      ];
      const open = await runCloud({ aws: { ...base, hosts: { prod: { ...created, inbound } } } });
      assert.deepEqual(open.the(group).inputs["ingress"], [
        { protocol: "tcp", fromPort: 443, toPort: 443, cidrBlocks: ["0.0.0.0/0"] },
        { protocol: "tcp", fromPort: 443, toPort: 443, ipv6CidrBlocks: ["::/0"] },
      ]);
    });

    it("may be sent commands and read the cache, and nothing more", () => {
      const policies = ran.registrations
        .filter(({ type }) => type === "aws:iam/rolePolicy:RolePolicy")
        .map((one) => policyIn(one));
      assert.equal(policies.length, 2);
      const may = (action: string, resource = "*") =>
        isAllowed(policies, { action, resources: [resource] });
      assert.ok(may("ssm:UpdateInstanceInformation"));
      assert.ok(may("ssmmessages:OpenDataChannel"));
      assert.ok(may("ec2messages:GetMessages"));
      assert.ok(may("s3:GetObject", `arn:aws:s3:::${BUCKET}/nix-cache-info`));
      assert.ok(may("s3:GetBucketLocation", `arn:aws:s3:::${BUCKET}`));
      for (const [action, resource] of [
        ["ssm:GetParameter", `arn:aws:ssm:${REGION}:${ACCOUNT}:parameter/secret`],
        ["ssm:SendCommand", `arn:aws:ec2:${REGION}:${ACCOUNT}:instance/${INSTANCE}`],
        ["s3:PutObject", `arn:aws:s3:::${BUCKET}/x.narinfo`],
        ["s3:DeleteObject", `arn:aws:s3:::${BUCKET}/x.narinfo`],
        ["s3:GetObject", "arn:aws:s3:::another-bucket/x"],
        ["s3:ListBucket", `arn:aws:s3:::${BUCKET}`],
        ["iam:PassRole", "*"],
      ] as const)
        assert.ok(!may(action, resource), action);
    });

    it("gets its role from EC2, and from nobody else", () => {
      const trust = policyIn(ran.the("aws:iam/role:Role"), "assumeRolePolicy");
      const may = (principal: Record<string, string>) =>
        isAllowed([trust], { action: "sts:AssumeRole", principal });
      assert.ok(may({ Service: "ec2.amazonaws.com" }));
      assert.ok(!may({ Service: "lambda.amazonaws.com" }));
      assert.ok(!may({ AWS: `arn:aws:iam::${ACCOUNT}:root` }));
    });

    it("is the same one under another name, and so is all that belongs to it", async () => {
      const renamed = await runCloud({
        aws: { ...base, hosts: { "prod-aws": { ...created, formerly: "prod" } } },
      });
      const component = renamed.the("choiros:aws:AwsHost");
      assert.deepEqual(component.aliases, ["prod"]);
      // Pulumi derives the former names of children from that of their parent, whose name they begin with.
      for (const child of renamed.registrations.filter(({ parent }) => parent !== ""))
        assert.ok(child.name.startsWith("prod-aws-"), child.name);
    });
  });

  describe("the SSM document", () => {
    it("is the file of docs/, to the byte", async () => {
      const { the, outputs } = await runCloud({
        aws: { ...base, document: { name: "nixos-promote" } },
      });
      const { inputs } = the("aws:ssm/document:Document");
      const file = readFileSync(
        new URL("../../docs/aws-ssm-document.json", import.meta.url),
        "utf8",
      );
      assert.deepEqual(inputs, {
        name: "nixos-promote",
        ...{ documentType: "Command", documentFormat: "JSON", content: file },
      });
      const { operatorPolicy } = outputs["aws"] as { operatorPolicy: Policy };
      assert.ok(
        isAllowed([operatorPolicy], {
          action: "ssm:SendCommand",
          resources: [`arn:aws:ssm:${REGION}:${ACCOUNT}:document/nixos-promote`],
        }),
      );
    });

    it("takes no shell text in any parameter", async () => {
      const { the } = await runCloud({ aws: { ...base, document: { name: "nixos-promote" } } });
      const { parameters } = JSON.parse(
        String(the("aws:ssm/document:Document").inputs["content"]),
      ) as {
        parameters: Record<string, { allowedPattern?: string }>;
      };
      for (const [name, { allowedPattern }] of Object.entries(parameters)) {
        assert.ok(allowedPattern, name);
        for (const text of ["'; reboot; '", "$(id)", "a b", "a\nb", "{{ ssm:secret }}"])
          assert.doesNotMatch(text, new RegExp(allowedPattern), name);
      }
    });
  });

  describe("settings", () => {
    for (const [what, aws, said] of [
      ["an account that is a number", { account: 111122223333 }, /\[choiros:aws\.account\]/],
      [
        "a bucket with a dot",
        { cache: { bucket: "a.b" } },
        /\[choiros:aws\.cache\.bucket\] must be the name/,
      ],
      [
        "a repository with a pattern",
        { github: { repository: "example/*", environment: "production" } },
        /\[choiros:aws\.github\.repository\] must be owner\/name/,
      ],
      [
        "an environment with a pattern",
        { github: { repository: "a/b", environment: "*" } },
        /\[choiros:aws\.github\.environment\]/,
      ],
      [
        "an instance by id and by tag",
        { hosts: { prod: { ...adopted, tag: { Name: "prod" } } } },
        /\[choiros:aws\.hosts\.prod\] must name the instance either/,
      ],
      [
        "a network that is none",
        { hosts: { prod: { ...created, inbound: [{ port: 22, from: "anywhere" }] } } },
        /\[choiros:aws\.hosts\.prod\.inbound\[0\]\.from\] must be a network/,
      ],
      [
        "a setting that there is not",
        { vpc: "x" },
        /\[choiros:aws\.vpc\] There is no setting "vpc" here/,
      ],
    ] as const)
      it(`refuse ${what}, before anything is touched`, async () => {
        const message = await refusal(aws);
        assert.match(message, /nothing was touched/);
        assert.match(message, said);
      });
  });
});
