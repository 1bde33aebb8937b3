import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import {
  agentPolicy,
  cacheReaderPolicy,
  cacheWriterPolicy,
  operatorPolicy,
  type Policy,
} from "../../components/aws/policies.ts";
import { isAllowed } from "../support/iam.ts";

const [region, account, instance] = ["eu-central-1", "111122223333", "i-0123456789abcdef0"];

/** The policies that a document shows, in order. */
function shownIn(file: string): unknown[] {
  const text = readFileSync(new URL(`../../docs/${file}`, import.meta.url), "utf8");
  return [...text.matchAll(/```json\n(.*?)```/gs)].map(([, json]) => JSON.parse(json ?? ""));
}

describe("the policies of AWS", () => {
  it("that docs/aws-ssm.md shows are the ones that we attach", () => {
    assert.deepEqual(shownIn("aws-ssm.md"), [
      operatorPolicy({ region, account, instanceIds: [instance] }),
      agentPolicy(),
    ]);
  });

  it("that docs/caches.md shows are the ones that we attach", () => {
    assert.deepEqual(shownIn("caches.md"), [
      cacheWriterPolicy("example-closures"),
      cacheReaderPolicy("example-closures"),
    ]);
  });

  describe("of an operator", () => {
    const sends = (policy: Policy, ...resources: string[]) =>
      isAllowed([policy], { action: "ssm:SendCommand", resources });
    const shell = `arn:aws:ssm:${region}::document/AWS-RunShellScript`;
    const ec2 = `arn:aws:ec2:${region}:${account}:instance/${instance}`;

    it("allow exactly the actions that our executor asks for", () => {
      const policy = operatorPolicy({ region, account, instanceIds: [instance] });
      const executor = ["aws-ssm.ts", "aws-ssm-api.ts"].map((file) =>
        readFileSync(new URL(`../../providers/executors/${file}`, import.meta.url), "utf8"),
      );
      const asked = new Set(
        [...executor.join("").matchAll(/\bnew sdk\.(\w+)Command\(/g)].map(
          ([, name]) => `ssm:${name}`,
        ),
      );
      assert.ok(asked.has("ssm:SendCommand"));
      const allowed = policy.Statement.flatMap(({ Action }) => Action);
      assert.deepEqual([...asked].sort(), allowed.sort());
    });

    it("allow a command to the named hosts only, by the named document only", () => {
      const policy = operatorPolicy({ region, account, instanceIds: [instance] });
      assert.ok(sends(policy, shell, ec2));
      assert.ok(!sends(policy, shell, `${ec2.slice(0, -1)}1`));
      assert.ok(!sends(policy, ec2.replace(account, "444455556666")));
      assert.ok(!sends(policy, ec2.replace(region, "us-east-1")));
    });

    it("know machines outside of EC2, and a document of our own", () => {
      const own = { document: "nixos-promote", instanceIds: ["mi-0123456789abcdef0"] };
      const policy = operatorPolicy({ region, account, ...own });
      const document = `arn:aws:ssm:${region}:${account}:document/nixos-promote`;
      const managed = `arn:aws:ssm:${region}:${account}:managed-instance/mi-0123456789abcdef0`;
      assert.ok(sends(policy, document, managed));
      assert.ok(!sends(policy, shell, managed));
    });
  });

  describe("as the simulator decides them", () => {
    const statement = (more: object): Policy => ({
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Action: "s3:Get*", Resource: "arn:aws:s3:::a?c/*", ...more }],
    });
    const get = (policy: Policy[], resource: string) =>
      isAllowed(policy, { action: "s3:GetObject", resources: [resource] });

    it("deny what nobody has allowed, and what somebody denies", () => {
      assert.ok(!get([], "arn:aws:s3:::abc/x"));
      assert.ok(get([statement({})], "arn:aws:s3:::abc/x"));
      assert.ok(!get([statement({}), statement({ Effect: "Deny" })], "arn:aws:s3:::abc/x"));
      assert.ok(!get([statement({})], "arn:aws:s3:::abbc/x"));
      assert.ok(!get([statement({})], "arn:aws:s3:::ABC/x"));
    });

    it("need every resource of a call to be allowed", () => {
      const resources = ["arn:aws:s3:::abc/x", "arn:aws:s3:::other/x"];
      assert.ok(!isAllowed([statement({})], { action: "s3:GetObject", resources }));
    });

    it("are refused when they use what it does not know", () => {
      const use = (more: object) => () => get([statement(more)], "arn:aws:s3:::abc/x");
      assert.throws(use({ NotAction: "s3:*" }), /does not know NotAction/);
      assert.throws(use({ Condition: { IpAddress: {} } }), /does not know IpAddress/);
    });
  });
});
