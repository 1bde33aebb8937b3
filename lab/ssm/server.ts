// HTTP in front of it all: the service and the lab's own controls on loopback, the agents' side on the bridge.
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Instance } from "../instance.ts";
import { Agents } from "./agents.ts";
import { Api } from "./api.ts";
import { Commands } from "./commands.ts";
import { ApiError } from "./errors.ts";
import { FaultBox, type Faults } from "./faults.ts";
import { REGION } from "./record.ts";
import { type Credentials, requireSignature } from "./signature.ts";

const TARGET = /^AmazonSSM\.([A-Za-z]+)$/;
const CONTENT_TYPE = "application/x-amz-json-1.1";

export class Endpoint {
  readonly #faults = new FaultBox();
  readonly #commands = new Commands();
  readonly #agents: Agents;
  readonly #api: Api;
  readonly #credentials: Credentials;

  constructor(instance: Instance, credentials: Credentials) {
    this.#agents = new Agents(instance, this.#commands, this.#faults);
    this.#api = new Api(this.#agents, this.#commands, this.#faults);
    this.#credentials = credentials;
  }

  /** Ports of the service on loopback, and of the agents' side on the bridge. */
  async listen(bridge: string): Promise<{ port: number; agentPort: number }> {
    const service = serve((request, body) => this.#serve(request, body));
    const agents = serve((request, body) => this.#serveAgent(request, body));
    const ports = await Promise.all([listen(service, "127.0.0.1"), listen(agents, bridge)]);
    return { port: ports[0], agentPort: ports[1] };
  }

  supervise(agentPort: number): Promise<void> {
    return this.#agents.supervise(agentPort);
  }

  async #serve(request: IncomingMessage, body: Buffer): Promise<Answer> {
    if (request.url?.startsWith("/lab/") === true)
      return { status: 200, body: await this.#control(request.url, parse(body)) };
    const { method = "", url: target = "/", headers } = request;
    const operation = TARGET.exec(String(headers["x-amz-target"] ?? ""))?.[1];
    if (method !== "POST" || operation === undefined)
      throw new ApiError("UnknownOperationException", "This is SSM of the lab.");
    if (headers["content-type"] !== CONTENT_TYPE)
      throw new ApiError("SerializationException", `Content-Type must be ${CONTENT_TYPE}.`);
    const flat = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, String(value)]),
    );
    requireSignature({ method, target, headers: flat, body }, this.#credentials, REGION);
    return { status: 200, body: this.#api.call(operation, parse(body)) };
  }

  async #control(url: string, input: Record<string, unknown>): Promise<object> {
    switch (url) {
      case "/lab/faults":
        this.#faults.set(input as Faults);
        return {};
      case "/lab/stop":
        await this.#agents.stop(String(input.instanceId));
        return {};
      case "/lab/resume":
        await this.#agents.resume(String(input.instanceId));
        return {};
      case "/lab/state":
        return {
          happened: this.#faults.happened,
          instances: this.#agents.list(),
          commands: this.#commands.list(),
        };
      default:
        throw new ApiError("UnknownOperationException", `There is no ${url}.`);
    }
  }

  async #serveAgent({ url }: IncomingMessage, body: Buffer): Promise<Answer> {
    if (url !== "/agent/poll") throw new ApiError("NotFound", "Agents only.", 404);
    return { status: 200, body: await this.#agents.poll(parse(body)) };
  }
}

interface Answer {
  readonly status: number;
  readonly body: object;
}

function serve(answer: (request: IncomingMessage, body: Buffer) => Promise<Answer>): Server {
  return createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("error", () => {});
    request.on("end", () => {
      answer(request, Buffer.concat(chunks))
        .catch(errorAnswer)
        .then((found) => respond(response, found));
    });
  });
}

/** The SDKs read the exception's name from `__type`, behind a namespace or not. */
function errorAnswer(error: unknown): Answer {
  if (!(error instanceof ApiError))
    return { status: 500, body: { __type: "InternalServerError", message: String(error) } };
  const { code, status, message } = error;
  const body = message === "" ? { __type: code } : { __type: code, message };
  return { status, body };
}

function respond(response: ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, { "Content-Type": CONTENT_TYPE, "x-amzn-RequestId": randomUUID() });
  response.end(JSON.stringify(body));
}

function parse(body: Buffer): Record<string, unknown> {
  try {
    return body.length === 0 ? {} : (JSON.parse(body.toString("utf8")) as Record<string, unknown>);
  } catch {
    throw new ApiError("SerializationException", "The body is not JSON.");
  }
}

function listen(server: Server, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, host, () => resolve((server.address() as AddressInfo).port));
  });
}
