import assert from "node:assert/strict";
import { ACCOUNT, type CloudRan, INSTANCE, policyIn, REGION, runCloud } from "../support/cloud.ts";
import { isAllowed } from "../support/iam.ts";

const PROVIDER = `arn:aws:iam::${ACCOUNT}:oidc-provider/token.actions.githubusercontent.com`;
const base = { region: REGION, account: ACCOUNT };
const adopted = { from: "adopt", instanceId: INSTANCE };

describe("the role at AWS of GitHub's jobs", () => {
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
