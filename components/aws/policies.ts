/* Who may do what, in one place: the components attach these, docs/aws-ssm.md shows the first, tests try them all. */

export interface Statement {
  readonly Sid?: string;
  readonly Effect: "Allow" | "Deny";
  readonly Principal?: "*" | { readonly [kind: string]: string };
  readonly Action: string | string[];
  readonly Resource?: string | string[];
  readonly Condition?: { readonly [operator: string]: { readonly [key: string]: string } };
}

export interface Policy {
  readonly Version: "2012-10-17";
  readonly Statement: Statement[];
}

export interface Operated {
  readonly region: string;
  readonly account: string;
  /** A document of our own. Default: AWS-RunShellScript, which takes any shell text. */
  readonly document?: string | undefined;
  /** `i-…`, or `mi-…` for machines outside of EC2. */
  readonly instanceIds: readonly string[];
}

/** What an operator may do with hosts over SSM: all that our executor asks for. */
export function operatorPolicy({ region, account, document, instanceIds }: Operated): Policy {
  const named =
    document === undefined ? ":document/AWS-RunShellScript" : `${account}:document/${document}`;
  return policy(
    allow("ssm:SendCommand", [
      `arn:aws:ssm:${region}:${named}`,
      ...instanceIds.map((id) => instanceArn(region, account, id)),
    ]),
    // These know no narrower resource.
    allow(
      ["ssm:DescribeInstanceInformation", "ssm:GetCommandInvocation", "ssm:CancelCommand"],
      "*",
    ),
  );
}

function instanceArn(region: string, account: string, id: string): string {
  return id.startsWith("mi-")
    ? `arn:aws:ssm:${region}:${account}:managed-instance/${id}`
    : `arn:aws:ec2:${region}:${account}:instance/${id}`;
}

/**
 * What the agent on a host needs to be sent commands. AmazonSSMManagedInstanceCore would also let every
 * host read every parameter of the account, secrets among them.
 */
export function agentPolicy(): Policy {
  return policy(
    allow(
      [
        "ssm:UpdateInstanceInformation",
        ...["ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel"],
        ...["ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"],
        ...["ec2messages:AcknowledgeMessage", "ec2messages:DeleteMessage"],
        ...["ec2messages:FailMessage", "ec2messages:GetEndpoint"],
        ...["ec2messages:GetMessages", "ec2messages:SendReply"],
      ],
      "*",
    ),
  );
}

/** A host fetches from the cache. */
export function cacheReaderPolicy(bucket: string): Policy {
  return policy(
    allow("s3:GetObject", `arn:aws:s3:::${bucket}/*`),
    allow("s3:GetBucketLocation", `arn:aws:s3:::${bucket}`),
  );
}

/** The builder pushes to the cache: it adds, and deletes nothing. */
export function cacheWriterPolicy(bucket: string): Policy {
  return policy(
    allow(
      ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
      `arn:aws:s3:::${bucket}/*`,
    ),
    allow(
      ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
      `arn:aws:s3:::${bucket}`,
    ),
  );
}

/** Nobody reads or writes the cache in the clear, whatever else he may do. */
export function cacheBucketPolicy(bucket: string): Policy {
  return policy({
    Sid: "EncryptedConnectionsOnly",
    Effect: "Deny",
    Principal: "*",
    Action: "s3:*",
    Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`],
    Condition: { Bool: { "aws:SecureTransport": "false" } },
  });
}

/** The instances of EC2 may take the role. */
export function instanceTrust(): Policy {
  return policy({
    Effect: "Allow",
    Principal: { Service: "ec2.amazonaws.com" },
    Action: "sts:AssumeRole",
  });
}

const GITHUB = "token.actions.githubusercontent.com";
export const GITHUB_URL = `https://${GITHUB}`;
export const GITHUB_AUDIENCE = "sts.amazonaws.com";

export function githubProviderArn(account: string): string {
  return `arn:aws:iam::${account}:oidc-provider/${GITHUB}`;
}

/**
 * Jobs of one environment of one repository may take the role, whose rules of approval and branches so
 * hold for it. Equal, not like: with a pattern, the branch of a pull request could name itself into it.
 */
export function githubTrust(provider: string, repository: string, environment: string): Policy {
  return policy({
    Effect: "Allow",
    Principal: { Federated: provider },
    Action: "sts:AssumeRoleWithWebIdentity",
    Condition: {
      StringEquals: {
        [`${GITHUB}:aud`]: GITHUB_AUDIENCE,
        [`${GITHUB}:sub`]: `repo:${repository}:environment:${environment}`,
      },
    },
  });
}

function policy(...statements: Statement[]): Policy {
  return { Version: "2012-10-17", Statement: statements };
}

function allow(actions: string | string[], resources: string | string[]): Statement {
  return { Effect: "Allow", Action: actions, Resource: resources };
}
