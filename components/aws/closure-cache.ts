import * as aws from "@pulumi/aws";
import * as pulumi from "../pulumi.ts";
import {
  cacheBucketPolicy,
  cacheReaderPolicy,
  cacheWriterPolicy,
  type Policy,
} from "./policies.ts";

export interface ClosureCacheArgs {
  /** Name of the bucket, which is one for all of S3. */
  readonly bucket: string;
  readonly region: string;
  /** Days that what was overwritten or deleted by mistake can still be brought back. */
  readonly noncurrentDays: number;
}

/**
 * A binary cache in S3: private, encrypted, with versions. It never deletes a path that is there: which
 * closures a kept manifest needs, only the manifests know. The key that signs them stays on the builder.
 *
 *     const cache = new ClosureCache("cache", { bucket: "example-closures", region, noncurrentDays: 90 });
 *     cache.url; // for [copy.caches]: s3://example-closures?region=eu-central-1
 */
export class ClosureCache extends pulumi.ComponentResource {
  readonly url: string;
  readonly readerPolicy: Policy;
  readonly writerPolicy: Policy;

  constructor(name: string, args: ClosureCacheArgs, opts?: pulumi.ComponentResourceOptions) {
    super("choiros:aws:ClosureCache", name, {}, opts);
    const bucket = createBucket(name, args, this);
    keepPrivate(name, bucket, args, this);
    keepVersions(name, bucket, args, this);
    this.url = `s3://${args.bucket}?region=${args.region}`;
    this.readerPolicy = cacheReaderPolicy(args.bucket);
    this.writerPolicy = cacheWriterPolicy(args.bucket);
    this.registerOutputs({ url: this.url });
  }
}

function createBucket(name: string, { bucket }: ClosureCacheArgs, parent: ClosureCache) {
  // It is left alone even if it is taken out of the settings: hosts may go back to what is in it.
  const kept = { parent, protect: true, retainOnDelete: true };
  return new aws.s3.Bucket(`${name}-bucket`, { bucket, forceDestroy: false }, kept);
}

function keepPrivate(
  name: string,
  { id: bucket }: aws.s3.Bucket,
  args: ClosureCacheArgs,
  parent: ClosureCache,
): void {
  const block = new aws.s3.BucketPublicAccessBlock(
    `${name}-private`,
    {
      bucket,
      ...{ blockPublicAcls: true, blockPublicPolicy: true },
      ...{ ignorePublicAcls: true, restrictPublicBuckets: true },
    },
    { parent },
  );
  new aws.s3.BucketOwnershipControls(
    `${name}-owner`,
    { bucket, rule: { objectOwnership: "BucketOwnerEnforced" } },
    { parent },
  );
  new aws.s3.BucketServerSideEncryptionConfiguration(
    `${name}-encryption`,
    {
      bucket,
      rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }],
    },
    { parent },
  );
  new aws.s3.BucketPolicy(
    `${name}-policy`,
    { bucket, policy: JSON.stringify(cacheBucketPolicy(args.bucket)) },
    { parent, dependsOn: [block] },
  );
}

function keepVersions(
  name: string,
  { id: bucket }: aws.s3.Bucket,
  { noncurrentDays }: ClosureCacheArgs,
  parent: ClosureCache,
): void {
  const versioning = new aws.s3.BucketVersioning(
    `${name}-versions`,
    { bucket, versioningConfiguration: { status: "Enabled" } },
    { parent },
  );
  new aws.s3.BucketLifecycleConfiguration(
    `${name}-lifecycle`,
    {
      bucket,
      rules: [
        {
          ...{ id: "what-was-replaced-or-deleted", status: "Enabled", filter: { prefix: "" } },
          noncurrentVersionExpiration: { noncurrentDays },
        },
        {
          ...{ id: "uploads-that-never-ended", status: "Enabled", filter: { prefix: "" } },
          abortIncompleteMultipartUpload: { daysAfterInitiation: 7 },
        },
      ],
    },
    { parent, dependsOn: [versioning] }, // S3 takes no rule about versions before there are some
  );
}
