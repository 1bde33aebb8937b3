import assert from "node:assert/strict";
import type { Policy } from "../../components/aws/policies.ts";
import { ACCOUNT, type CloudRan, policyIn, REGION, runCloud } from "../support/cloud.ts";
import { isAllowed } from "../support/iam.ts";

const BUCKET = "example-closures";
const base = { region: REGION, account: ACCOUNT };

describe("the cache in S3", () => {
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
    for (const action of ["s3:PutLifecycleConfiguration", "s3:PutBucketPolicy", "s3:DeleteBucket"])
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
