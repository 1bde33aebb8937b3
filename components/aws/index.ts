import * as aws from "@pulumi/aws";
import type { AwsSettings } from "../../contract/aws.ts";
import { formerName } from "../former-name.ts";
import * as pulumi from "../pulumi.ts";
import { ClosureCache } from "./closure-cache.ts";
import { GithubRole } from "./github-role.ts";
import { AwsHost, type AwsHostArgs } from "./host.ts";
import { operatorPolicy, type Policy } from "./policies.ts";
import { SsmDocument } from "./ssm-document.ts";

export interface AwsOutputs {
  readonly hosts: Record<string, { readonly instanceId: pulumi.Output<string> }>;
  /** For whoever promotes by hand; the jobs of GitHub have it. */
  readonly operatorPolicy: pulumi.Output<Policy>;
  readonly document?: string;
  /** For [copy.caches]. */
  readonly cache?: string;
  readonly githubRole?: pulumi.Output<string>;
}

/** What a stack has of AWS. */
export function createAws(settings: AwsSettings): AwsOutputs {
  const { region, account } = settings;
  const provider = new aws.Provider("aws", {
    region: region as aws.Region,
    allowedAccountIds: [account],
  });
  const at = { providers: { aws: provider } };
  const document =
    settings.document && new SsmDocument("document", settings.document, at).documentName;
  const cache = settings.cache && new ClosureCache("cache", { region, ...settings.cache }, at);
  if (settings.builderRole !== undefined && cache !== undefined)
    letPush(settings.builderRole, cache, provider);
  const hosts = createHosts(settings, cache, at);
  const ids = pulumi.all(Object.values(hosts).map(({ instanceId }) => instanceId));
  const policy = ids.apply((instanceIds) =>
    operatorPolicy({ region, account, document, instanceIds }),
  );
  const github =
    settings.github &&
    new GithubRole("github", { account, ...settings.github, policies: { operate: policy } }, at);
  return {
    ...{ hosts, operatorPolicy: policy },
    ...(document === undefined ? {} : { document }),
    ...(cache === undefined ? {} : { cache: cache.url }),
    ...(github === undefined ? {} : { githubRole: github.arn }),
  };
}

function createHosts(
  { hosts }: AwsSettings,
  cache: ClosureCache | undefined,
  at: pulumi.ComponentResourceOptions,
): AwsOutputs["hosts"] {
  const policies: AwsHostArgs["policies"] =
    cache === undefined ? {} : { "read-cache": cache.readerPolicy };
  const created = Object.entries(hosts).map(([name, { formerly, ...instance }]) => {
    const host = new AwsHost(name, { instance, policies }, { ...at, ...formerName(formerly) });
    return [name, { instanceId: host.instanceId }] as const;
  });
  return Object.fromEntries(created);
}

function letPush(role: string, cache: ClosureCache, provider: aws.Provider): void {
  new aws.iam.RolePolicy(
    "builder-may-push",
    { role, policy: JSON.stringify(cache.writerPolicy) },
    { parent: cache, provider },
  );
}
