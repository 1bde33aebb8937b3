// The operations of SSM that promotions use, as the service answers them.
import type { Agents, Registered } from "./agents.ts";
import type { Command, Commands } from "./commands.ts";
import {
  type Content,
  type Document,
  hashOf,
  parseDocument,
  RUN_SHELL_SCRIPT,
  scriptOf,
} from "./documents.ts";
import { ApiError } from "./errors.ts";
import type { FaultBox } from "./faults.ts";

type Input = Readonly<Record<string, unknown>>;

const SHOWN_IN_LISTS = 2_500;
const SHORTEST_DELIVERY = 30;
const LONGEST_DELIVERY = 2_592_000;
const ACCOUNT = "111122223333";

export class Api {
  readonly #documents = new Map([[RUN_SHELL_SCRIPT.name, RUN_SHELL_SCRIPT]]);
  readonly #agents: Agents;
  readonly #commands: Commands;
  readonly #faults: FaultBox;

  constructor(agents: Agents, commands: Commands, faults: FaultBox) {
    this.#agents = agents;
    this.#commands = commands;
    this.#faults = faults;
  }

  call(operation: string, input: Input): object {
    this.#faults.meet(operation);
    switch (operation) {
      case "DescribeInstanceInformation":
        return this.#describeInstances(input);
      case "SendCommand":
        return this.#sendCommand(input);
      case "GetCommandInvocation":
        return this.#getInvocation(input);
      case "ListCommandInvocations":
        return this.#listInvocations(input);
      case "ListCommands":
        return { Commands: this.#chosen(input).map((each) => this.#commandOf(each)) };
      case "CancelCommand":
        return this.#cancel(input);
      case "CreateDocument":
        return this.#createDocument(input);
      case "GetDocument":
        return this.#getDocument(input);
      case "DescribeDocument":
        return { Document: describe(this.#document(text(input, "Name"))) };
      default:
        throw new ApiError("UnknownOperationException", `The lab does not know ${operation}.`);
    }
  }

  #registered(): Registered[] {
    const hidden = this.#faults.get("unregistered")?.instances ?? [];
    return this.#agents
      .list()
      .filter(({ instanceId, lastPing }) => lastPing > 0 && !hidden.includes(instanceId));
  }

  #describeInstances(input: Input): object {
    const filters = (input.Filters ?? []) as { Key: string; Values: string[] }[];
    const matches = (each: Registered) =>
      filters.every(({ Key, Values }) => Values.includes(attribute(each, Key)));
    const list = this.#registered()
      .filter(matches)
      .map(({ host, instanceId, lastPing, online }) => ({
        InstanceId: instanceId,
        PingStatus: online ? "Online" : "ConnectionLost",
        LastPingDateTime: lastPing / 1000,
        AgentVersion: "3.3.0.0",
        PlatformType: "Linux",
        PlatformName: "NixOS",
        ResourceType: "EC2Instance",
        IPAddress: host.address,
        ComputerName: host.name,
      }));
    return { InstanceInformationList: list };
  }

  #sendCommand(input: Input): object {
    const instances = (input.InstanceIds ?? []) as string[];
    const [instanceId] = instances;
    const document = this.#document(text(input, "DocumentName"));
    const seconds = Number(input.TimeoutSeconds ?? 3600);
    if (seconds < SHORTEST_DELIVERY || seconds > LONGEST_DELIVERY)
      throw new ApiError(
        "ValidationException",
        `1 validation error detected: Value '${seconds}' at 'timeoutSeconds' failed to satisfy constraint: Member must have value greater than or equal to ${SHORTEST_DELIVERY}`,
      );
    if (String(input.Comment ?? "").length > 100)
      throw new ApiError("ValidationException", "'comment' must have length at most 100");
    if (instanceId === undefined || instances.length > 1)
      throw new ApiError("InvalidParameters", "The lab takes commands for one instance.");
    if (!this.#registered().some((each) => each.instanceId === instanceId))
      throw new ApiError("InvalidInstanceId", `Instances [[${instanceId}]] not in a valid state`);
    const parameters = (input.Parameters ?? {}) as Record<string, unknown>;
    const command = this.#commands.add(
      {
        ...{ instanceId, document, parameters, script: scriptOf(document, parameters) },
        ...{ comment: String(input.Comment ?? ""), lost: this.#faults.take("lose")?.how },
      },
      seconds,
    );
    return { Command: this.#commandOf(command) };
  }

  #getInvocation(input: Input): object {
    const command = this.#visible(input);
    const { state, details } = this.#shown(command);
    const ended = !["Pending", "InProgress", "Cancelling", "Delayed"].includes(state);
    return {
      CommandId: command.id,
      InstanceId: command.instanceId,
      Comment: command.comment,
      DocumentName: command.document.name,
      DocumentVersion: "1",
      PluginName: command.document.plugin,
      ResponseCode: ended ? command.code : -1,
      ExecutionStartDateTime: iso(command.requestedAt),
      ExecutionEndDateTime: ended ? iso(command.endedAt ?? command.requestedAt) : "",
      Status: state,
      StatusDetails: details,
      // Nothing is shown of a script that runs.
      StandardOutputContent: ended ? command.stdout : "",
      StandardErrorContent: ended ? command.stderr : "",
      StandardOutputUrl: "",
      StandardErrorUrl: "",
      CloudWatchOutputConfig: { CloudWatchLogGroupName: "", CloudWatchOutputEnabled: false },
    };
  }

  #listInvocations(input: Input): object {
    const wanted = this.#chosen(input).filter(
      ({ instanceId }) => input.InstanceId === undefined || input.InstanceId === instanceId,
    );
    const list = wanted.map((command) => {
      const { state, details } = this.#shown(command);
      const output = `${command.stdout}${command.stderr}`.slice(0, SHOWN_IN_LISTS);
      const plugin = {
        Name: command.document.plugin,
        Status: state,
        StatusDetails: details,
        ResponseCode: command.code,
        Output: output,
      };
      return {
        CommandId: command.id,
        InstanceId: command.instanceId,
        Comment: command.comment,
        DocumentName: command.document.name,
        RequestedDateTime: command.requestedAt / 1000,
        Status: state,
        StatusDetails: details,
        CommandPlugins: input.Details === true ? [plugin] : [],
      };
    });
    return { CommandInvocations: list };
  }

  #cancel(input: Input): object {
    const command = this.#commands.get(text(input, "CommandId"));
    if (command === undefined) throw new ApiError("InvalidCommandId", "");
    this.#commands.cancel(command);
    return {};
  }

  #createDocument(input: Input): object {
    const name = text(input, "Name");
    if (this.#documents.has(name))
      throw new ApiError("DocumentAlreadyExists", `Document with name ${name} already exists`);
    const document = parseDocument(name, ACCOUNT, text(input, "Content"));
    this.#documents.set(name, document);
    return { DocumentDescription: describe(document) };
  }

  #getDocument(input: Input): object {
    const document = this.#document(text(input, "Name"));
    return {
      Name: document.name,
      DocumentVersion: "1",
      Status: "Active",
      DocumentType: "Command",
      DocumentFormat: "JSON",
      Content: JSON.stringify(document.content satisfies Content),
    };
  }

  #document(name: string): Document {
    const document = this.#documents.get(name);
    if (document !== undefined) return document;
    throw new ApiError("InvalidDocument", `Document with name ${name} does not exist.`);
  }

  #visible(input: Input): Command {
    const command = this.#commands.visible(text(input, "CommandId"));
    if (command?.instanceId === input.InstanceId && command !== undefined) return command;
    throw new ApiError("InvocationDoesNotExist", "");
  }

  #chosen(input: Input): Command[] {
    const ids =
      input.CommandId === undefined
        ? this.#commands.list().map(({ id }) => id)
        : [String(input.CommandId)];
    return ids.flatMap((id) => this.#commands.visible(id) ?? []);
  }

  #shown(command: Command): { state: string; details: string } {
    const late = this.#faults.get("late");
    if (late === undefined || command.endedAt === undefined) return command;
    if (Date.now() > command.endedAt + late.milliseconds) return command;
    this.#faults.count("late");
    return { state: "InProgress", details: "InProgress" };
  }

  #commandOf(command: Command): object {
    const { state, details } = this.#shown(command);
    return {
      CommandId: command.id,
      DocumentName: command.document.name,
      DocumentVersion: "$DEFAULT",
      Comment: command.comment,
      ExpiresAfter: command.deliverBy / 1000 + command.script.seconds,
      Parameters: command.parameters,
      InstanceIds: [command.instanceId],
      RequestedDateTime: command.requestedAt / 1000,
      Status: state,
      StatusDetails: details,
      TargetCount: 1,
    };
  }
}

function attribute({ instanceId, online, host }: Registered, key: string): string {
  if (key === "InstanceIds") return instanceId;
  if (key === "PingStatus") return online ? "Online" : "ConnectionLost";
  if (key === "tag:Name") return host.name;
  if (key === "tag:Lab") return "nixos-promote";
  if (key.startsWith("tag:")) return "";
  throw new ApiError("InvalidFilterKey", `The lab does not know the filter ${key}.`);
}

function describe(document: Document): object {
  return {
    Name: document.name,
    Owner: document.owner,
    Hash: hashOf(document),
    HashType: "Sha256",
    Status: "Active",
    DocumentVersion: "1",
    Description: document.content.description ?? "",
    PlatformTypes: ["Linux"],
    DocumentType: "Command",
    SchemaVersion: document.content.schemaVersion,
    DocumentFormat: "JSON",
  };
}

function text(input: Input, name: string): string {
  const value = input[name];
  if (typeof value === "string" && value !== "") return value;
  throw new ApiError("ValidationException", `Value at '${name}' must not be null`);
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
