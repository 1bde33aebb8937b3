// Our policies of AWS as another program reads them, one that is not ours: moto's. It and our own simulator have to agree.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import {
  agentPolicy,
  cacheBucketPolicy,
  cacheReaderPolicy,
  cacheWriterPolicy,
  operatorPolicy,
  type Policy,
} from "../../components/aws/policies.ts";
import { isAllowed } from "../support/iam.ts";
import { motoPackages } from "../support/moto.ts";

const ASK = join(import.meta.dirname, "../support/iam-moto.py");
const OBJECT = "arn:aws:s3:::closures/nar/1.nar.xz";
const BUCKET = "arn:aws:s3:::closures";
const [REGION, ACCOUNT] = ["eu-west-1", "123456789012"];
const instance = (id: string) => `arn:aws:ec2:${REGION}:${ACCOUNT}:instance/${id}`;
const operator = operatorPolicy({
  ...{ region: REGION, account: ACCOUNT, document: "Promote", instanceIds: ["i-1"] },
});
const writer = cacheWriterPolicy("closures");
const reader = cacheReaderPolicy("closures");
// moto takes a condition on a denial for met, whatever it says; so it has no row for an encrypted connection.
const clear = { "aws:SecureTransport": "false" };

type Row = [
  policies: Policy[],
  action: string,
  resource: string,
  allowed: boolean,
  context?: object,
];
const ROWS: Row[] = [
  [[operator], "ssm:SendCommand", instance("i-1"), true],
  [[operator], "ssm:SendCommand", instance("i-2"), false],
  [[operator], "ssm:SendCommand", `arn:aws:ssm:${REGION}:${ACCOUNT}:document/Promote`, true],
  [[operator], "ssm:SendCommand", `arn:aws:ssm:${REGION}::document/AWS-RunShellScript`, false],
  [[operator], "ssm:GetCommandInvocation", "*", true],
  [[operator], "ssm:StartSession", instance("i-1"), false],
  [[agentPolicy()], "ssmmessages:OpenDataChannel", "*", true],
  [[agentPolicy()], "ssm:GetParameter", "*", false],
  [[reader], "s3:GetObject", OBJECT, true],
  [[reader], "s3:PutObject", OBJECT, false],
  [[reader], "s3:ListBucket", BUCKET, false],
  [[writer], "s3:PutObject", OBJECT, true],
  [[writer], "s3:ListBucket", BUCKET, true],
  [[writer], "s3:DeleteObject", OBJECT, false],
  [[writer], "s3:PutObject", "arn:aws:s3:::others/nar/1.nar.xz", false],
  [[writer, cacheBucketPolicy("closures")], "s3:PutObject", OBJECT, false, clear],
];

describe("the policies of AWS, read by moto", function () {
  this.timeout(300_000);
  let said: boolean[];

  before("moto, in a cache of this machine", async function () {
    const packages = await motoPackages(this);
    const calls = ROWS.map(([policies, action, resource, , context = {}]) => ({
      ...{ policies, action, resource, context },
    }));
    const env = { ...process.env, PYTHONPATH: packages };
    const ran = spawnSync("python3", [ASK], {
      input: JSON.stringify(calls),
      encoding: "utf8",
      env,
    });
    assert.equal(ran.status, 0, ran.stderr);
    said = JSON.parse(ran.stdout) as boolean[];
  });

  for (const [index, [policies, action, resource, allowed, context]] of ROWS.entries())
    it(`${allowed ? "allow" : "deny"} ${action} on ${resource}${context ? ` (${JSON.stringify(context)})` : ""}`, () => {
      assert.equal(said[index], allowed);
      const call = { action, resources: [resource], ...(context && { context: { ...context } }) };
      assert.equal(isAllowed(policies, call), allowed, "our own simulator");
    });
});
