import type { InstanceInformation, SSMClient } from "@aws-sdk/client-ssm";
import { type AwsSsmConnection, describeConnection } from "../../contract/connection.ts";
import { Failure } from "../errors.ts";
import { awsFailure, mayHaveArrived } from "./aws-ssm-errors.ts";

export interface Command {
  readonly document: string;
  readonly parameters: Record<string, string[]>;
  readonly comment: string;
}

/** How a command stands on the one instance that it was sent to. */
export interface Invocation {
  readonly status: string;
  readonly details: string;
  readonly stdout: string;
  readonly stderr: string;
}

/** The few calls of SSM that we make; every error is a Failure. */
export interface SsmApi {
  /** The id of the instance, which is online. */
  instance(): Promise<string>;
  /** The id of the command. A Failure of kind `lost` says that SSM may have taken it all the same. */
  send(instanceId: string, command: Command): Promise<string>;
  /** Undefined while SSM does not know it yet. Errors are as AWS gives them: some pass. */
  invocation(commandId: string, instanceId: string): Promise<Invocation | undefined>;
  cancel(commandId: string): Promise<void>;
  close(): void;
}

export const DELIVERY_SECONDS = 60;

/** By the unmodified AWS SDK, loaded only when such a connection is used. */
export function ssmApi(connection: AwsSsmConnection): SsmApi {
  const host = describeConnection(connection);
  let loading: Promise<Loaded> | undefined;
  const load = () => {
    loading ??= loadClient(connection);
    return loading;
  };
  const tell = (action: string) => (error: unknown) => {
    throw awsFailure(host, action, error);
  };

  return {
    async instance() {
      const { sdk, client } = await load();
      const command = new sdk.DescribeInstanceInformationCommand({ Filters: filters(connection) });
      const { InstanceInformationList = [] } = await client
        .send(command)
        .catch(tell("ssm:DescribeInstanceInformation"));
      return onlyOnline(connection, InstanceInformationList);
    },

    async send(instanceId, { document, parameters, comment }) {
      const { sdk, client } = await load();
      const command = new sdk.SendCommandCommand({
        DocumentName: document,
        InstanceIds: [instanceId],
        Parameters: parameters,
        TimeoutSeconds: connection.deliveryTimeoutSeconds ?? DELIVERY_SECONDS,
        Comment: comment.slice(0, 100),
      });
      const { Command } = await client.send(command).catch((error) => {
        if (!mayHaveArrived(error)) throw awsFailure(host, "ssm:SendCommand", error);
        const { message } = awsFailure(host, "ssm:SendCommand", error, true);
        throw new Failure("lost", message, { cause: error });
      });
      if (Command?.CommandId !== undefined) return Command.CommandId;
      throw new Failure("lost", `${host}: SSM took a command and gave it no id.`);
    },

    async invocation(commandId, instanceId) {
      const { sdk, client } = await load();
      const command = new sdk.GetCommandInvocationCommand({
        CommandId: commandId,
        InstanceId: instanceId,
      });
      try {
        const found = await client.send(command);
        return {
          status: found.Status ?? "Pending",
          details: found.StatusDetails ?? "",
          stdout: found.StandardOutputContent ?? "",
          stderr: found.StandardErrorContent ?? "",
        };
      } catch (error) {
        // SSM is eventually consistent, as its documentation says.
        if (error instanceof sdk.InvocationDoesNotExist) return undefined;
        throw error;
      }
    },

    async cancel(commandId) {
      const { sdk, client } = await load();
      await client
        .send(new sdk.CancelCommandCommand({ CommandId: commandId }))
        .catch(tell("ssm:CancelCommand"));
    },

    close() {
      loading?.then(({ client }) => client.destroy()).catch(() => {});
      loading = undefined;
    },
  };
}

interface Loaded {
  readonly sdk: typeof import("@aws-sdk/client-ssm");
  readonly client: SSMClient;
}

async function loadClient({ region, profile }: AwsSsmConnection): Promise<Loaded> {
  const sdk = await import("@aws-sdk/client-ssm");
  const client = new sdk.SSMClient({
    ...(region === undefined ? {} : { region }),
    ...(profile === undefined ? {} : { profile }),
    retryMode: "adaptive",
    maxAttempts: 6,
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 20_000 },
  });
  return { sdk, client };
}

function filters({ instanceId, tag = {} }: AwsSsmConnection): { Key: string; Values: string[] }[] {
  if (instanceId !== undefined) return [{ Key: "InstanceIds", Values: [instanceId] }];
  return Object.entries(tag).map(([key, value]) => ({ Key: `tag:${key}`, Values: [value] }));
}

/** SSM goes on listing instances that are gone, so those that are online decide. */
export function onlyOnline(
  connection: AwsSsmConnection,
  found: readonly InstanceInformation[],
): string {
  const host = describeConnection(connection);
  const setting = connection.instanceId === undefined ? "`tag`" : "`instanceId`";
  const online = found.filter(({ PingStatus }) => PingStatus === "Online");
  const [first, ...others] = online;
  if (first?.InstanceId !== undefined && others.length === 0) return first.InstanceId;
  if (others.length > 0)
    throw new Failure(
      "refused",
      `${host}: ${online.length} instances are online (${online.map((each) => each.InstanceId).join(", ")}), and a host is one. Give ${setting} that leads to one only.`,
    );
  const [offline] = found.toSorted((a, b) => lastPing(b) - lastPing(a));
  if (offline !== undefined)
    throw new Failure(
      "unreachable",
      `${host}: its SSM agent is offline (${offline.PingStatus}) since ${offline.LastPingDateTime?.toISOString() ?? "some time"}. ` +
        "Start the machine, or amazon-ssm-agent on it, or see whether it reaches the SSM endpoint.",
    );
  throw new Failure(
    "unreachable",
    `${host}: SSM has no such instance. Check ${setting} and \`region\`; the machine has to run amazon-ssm-agent, with a role that may register (AmazonSSMManagedInstanceCore).`,
  );
}

function lastPing({ LastPingDateTime }: InstanceInformation): number {
  return LastPingDateTime?.getTime() ?? 0;
}
