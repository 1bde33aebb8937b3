import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { Policy } from "../../components/aws/policies.ts";
import { ACCOUNT, type CloudRan, INSTANCE, REGION, runCloud } from "../support/cloud.ts";
import { isAllowed } from "../support/iam.ts";

const BUCKET = "example-closures";
const PROVIDER = `arn:aws:iam::${ACCOUNT}:oidc-provider/token.actions.githubusercontent.com`;
const base = { region: REGION, account: ACCOUNT };
const created = {
  ...{ from: "create", ami: "ami-0123456789abcdef0", instanceType: "m7a.large" },
  ...{ vpcId: "vpc-0123456789abcdef0", subnetId: "subnet-0123456789abcdef0" },
};
const adopted = { from: "adopt", instanceId: INSTANCE };

function policyIn({ inputs }: { inputs: Record<string, unknown> }, key = "policy"): Policy {
  return JSON.parse(String(inputs[key])) as Policy;
}

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

  describe("the cache", () => {
    let ran: CloudRan;
    before(async () => {
      ran = await runCloud({
        aws: { ...base, cache: { bucket: BUCKET }, builderRole: "grind-role" },
      });
    });
    const of = (kind: string) => ran.the(`aws:s3/${kind}`).inputs;

    it("stays when the stack goes, and is never emptied", () => {
      const { inputs, protect, retainOnDelete } = ran.the("aws:s3/bucket:Bucket");
      assert.ok(protect && retainOnDelete);
      assert.deepEqual([inputs["bucket"], inputs["forceDestroy"]], [BUCKET, false]);
    });

    it("is private, encrypted and versioned", () => {
      assert.deepEqual(of("bucketPublicAccessBlock:BucketPublicAccessBlock"), {
        bucket: BUCKET,
        ...{ blockPublicAcls: true, blockPublicPolicy: true },
        ...{ ignorePublicAcls: true, restrictPublicBuckets: true },
      });
      assert.deepEqual(of("bucketVersioning:BucketVersioning")["versioningConfiguration"], {
        status: "Enabled",
      });
      assert.deepEqual(
        of("bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration")[
          "rules"
        ],
        [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }],
      );
      assert.deepEqual(of("bucketOwnershipControls:BucketOwnershipControls")["rule"], {
        objectOwnership: "BucketOwnerEnforced",
      });
    });

    it("loses no object by its age: only what was replaced or deleted, and uploads that never ended", () => {
      const rules = of("bucketLifecycleConfiguration:BucketLifecycleConfiguration")["rules"];
      const HARMLESS = [
        "id",
        "status",
        "filter",
        "noncurrentVersionExpiration",
        "abortIncompleteMultipartUpload",
      ];
      for (const rule of rules as Record<string, unknown>[])
        assert.deepEqual(
          Object.keys(rule).filter((key) => !HARMLESS.includes(key)),
          [],
          String(rule["id"]),
        );
      assert.deepEqual((rules as Record<string, unknown>[])[0]?.["noncurrentVersionExpiration"], {
        noncurrentDays: 90,
      });
    });

    it("has rules about versions only once it has versions", () => {
      const { dependsOn } = ran.the(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
      );
      assert.ok(dependsOn.includes("aws:s3/bucketVersioning:BucketVersioning::cache-versions"));
    });

    it("is added to by the builder, who deletes nothing and touches no other bucket", () => {
      const policy = ran.the("aws:iam/rolePolicy:RolePolicy");
      assert.equal(policy.inputs["role"], "grind-role");
      const may = (action: string, resource: string) =>
        isAllowed([policyIn(policy)], { action, resources: [resource] });
      assert.ok(may("s3:PutObject", `arn:aws:s3:::${BUCKET}/nar/x.nar.zst`));
      assert.ok(may("s3:GetObject", `arn:aws:s3:::${BUCKET}/x.narinfo`));
      assert.ok(may("s3:ListBucket", `arn:aws:s3:::${BUCKET}`));
      for (const action of ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObjectAcl"])
        assert.ok(!may(action, `arn:aws:s3:::${BUCKET}/x.narinfo`), action);
      for (const action of [
        "s3:PutLifecycleConfiguration",
        "s3:PutBucketPolicy",
        "s3:DeleteBucket",
      ])
        assert.ok(!may(action, `arn:aws:s3:::${BUCKET}`), action);
      assert.ok(!may("s3:PutObject", "arn:aws:s3:::another-bucket/x"));
    });

    it("is spoken to over encrypted connections only, whatever else somebody may do", () => {
      const everything: Policy = {
        Version: "2012-10-17",
        Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }],
      };
      const policies = [everything, policyIn(ran.the("aws:s3/bucketPolicy:BucketPolicy"))];
      const may = (secure: string) =>
        isAllowed(policies, {
          ...{ action: "s3:GetObject", resources: [`arn:aws:s3:::${BUCKET}/x`] },
          context: { "aws:SecureTransport": secure },
        });
      assert.ok(may("true"));
      assert.ok(!may("false"));
    });

    it("is told to [copy.caches] by a URL that the settings take", async () => {
      const { cache: url } = ran.outputs["aws"] as { cache: string };
      const { cache } = await import("../../contract/cache.ts");
      assert.deepEqual(cache.parse({ pull: url, push: url }), { pull: url, push: url });
    });

    it("leaves no signing key in the state: nothing of ours has one", () => {
      const ours = ran.registrations.filter(({ type }) => type.startsWith("aws:"));
      assert.doesNotMatch(JSON.stringify(ours.map(({ inputs }) => inputs)), /secret|signing|key/i);
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

  describe("the role of GitHub's jobs", () => {
    const github = { repository: "example/choiros", environment: "production" };
    let ran: CloudRan;
    before(async () => {
      ran = await runCloud({
        aws: { ...base, hosts: { prod: adopted }, document: { name: "nixos-promote" }, github },
      });
    });

    const claims = (sub: string, aud = "sts.amazonaws.com") => ({
      "token.actions.githubusercontent.com:sub": sub,
      "token.actions.githubusercontent.com:aud": aud,
    });
    const takes = (context: Record<string, string>, Federated = PROVIDER) =>
      isAllowed([policyIn(ran.the("aws:iam/role:Role"), "assumeRolePolicy")], {
        ...{ action: "sts:AssumeRoleWithWebIdentity", principal: { Federated }, context },
      });

    it("is taken by jobs of that environment of that repository", () => {
      assert.ok(takes(claims("repo:example/choiros:environment:production")));
    });

    for (const [who, context] of [
      ["another repository", claims("repo:example/other:environment:production")],
      ["another owner", claims("repo:evil/choiros:environment:production")],
      ["another environment", claims("repo:example/choiros:environment:staging")],
      ["a branch", claims("repo:example/choiros:ref:refs/heads/main")],
      ["a pull request", claims("repo:example/choiros:pull_request")],
      ["a name that only begins so", claims("repo:example/choiros:environment:production-2")],
      [
        "a token that was made for somebody else",
        claims("repo:example/choiros:environment:production", "other"),
      ],
      ["a token that says nothing of that", {}],
    ] as const)
      it(`is not taken by ${who}`, () => assert.ok(!takes(context)));

    it("is not taken by tokens of another provider", () => {
      const context = claims("repo:example/choiros:environment:production");
      assert.ok(!takes(context, `arn:aws:iam::${ACCOUNT}:oidc-provider/evil.example.com`));
    });

    it("may operate the hosts of this stack by our document, and nothing else", () => {
      const policies = [policyIn(ran.the("aws:iam/rolePolicy:RolePolicy"))];
      const send = (document: string, instance: string) =>
        isAllowed(policies, { action: "ssm:SendCommand", resources: [document, instance] });
      const ours = `arn:aws:ssm:${REGION}:${ACCOUNT}:document/nixos-promote`;
      const prod = `arn:aws:ec2:${REGION}:${ACCOUNT}:instance/${INSTANCE}`;
      assert.ok(send(ours, prod));
      assert.ok(!send(`arn:aws:ssm:${REGION}::document/AWS-RunShellScript`, prod));
      assert.ok(!send(ours, `arn:aws:ec2:${REGION}:${ACCOUNT}:instance/i-0fedcba9876543210`));
      assert.ok(isAllowed(policies, { action: "ssm:GetCommandInvocation" }));
      for (const action of [
        "ssm:StartSession",
        "ec2:TerminateInstances",
        "iam:CreateRole",
        "s3:GetObject",
      ])
        assert.ok(!isAllowed(policies, { action }), action);
    });

    it("stands on the provider that the account has, or makes it and leaves it there", async () => {
      assert.ok(!ran.registrations.some(({ type }) => type.includes("openIdConnect")));
      const made = await runCloud({
        aws: { ...base, github: { ...github, createProvider: true } },
      });
      const provider = made.the("aws:iam/openIdConnectProvider:OpenIdConnectProvider");
      assert.equal(provider.inputs["url"], "https://token.actions.githubusercontent.com");
      assert.deepEqual(provider.inputs["clientIdLists"], ["sts.amazonaws.com"]);
      assert.ok(provider.retainOnDelete);
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
