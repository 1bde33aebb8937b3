import * as aws from "@pulumi/aws";
import * as pulumi from "../pulumi.ts";
import {
  GITHUB_AUDIENCE,
  GITHUB_URL,
  githubProviderArn,
  githubTrust,
  type Policy,
} from "./policies.ts";

export interface GithubRoleArgs {
  readonly account: string;
  /** `owner/name` on GitHub. */
  readonly repository: string;
  /** The environment that its jobs have to be in. */
  readonly environment: string;
  /** An account has one provider of GitHub's tokens at most: is it ours to make? */
  readonly createProvider: boolean;
  /** What its jobs may do, by name. */
  readonly policies: Readonly<Record<string, Policy | pulumi.Output<Policy>>>;
}

/**
 * A role for the jobs of one environment of one repository on GitHub, without any key that could leak.
 *
 *     new GithubRole("github", { account, repository: "example/choiros", environment: "production", … });
 */
export class GithubRole extends pulumi.ComponentResource {
  readonly arn: pulumi.Output<string>;

  constructor(name: string, args: GithubRoleArgs, opts?: pulumi.ComponentResourceOptions) {
    super("choiros:aws:GithubRole", name, {}, opts);
    const role = new aws.iam.Role(
      `${name}-role`,
      {
        assumeRolePolicy: providerOf(name, args, this).apply((provider) =>
          JSON.stringify(githubTrust(provider, args.repository, args.environment)),
        ),
        maxSessionDuration: 3600,
      },
      { parent: this },
    );
    for (const [what, policy] of Object.entries(args.policies))
      new aws.iam.RolePolicy(
        `${name}-may-${what}`,
        { role: role.name, policy: pulumi.output(policy).apply((it) => JSON.stringify(it)) },
        { parent: this },
      );
    this.arn = role.arn;
    this.registerOutputs({ arn: this.arn });
  }
}

function providerOf(
  name: string,
  { account, createProvider }: GithubRoleArgs,
  parent: GithubRole,
): pulumi.Output<string> {
  if (!createProvider) return pulumi.output(githubProviderArn(account));
  return new aws.iam.OpenIdConnectProvider(
    `${name}-provider`,
    { url: GITHUB_URL, clientIdLists: [GITHUB_AUDIENCE] },
    // Other roles of the account may stand on it.
    { parent, retainOnDelete: true },
  ).arn;
}
