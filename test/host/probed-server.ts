// A server in this process that answers probes as its paths say.
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export class ProbedServer {
  /** Since the test began. */
  requests = 0;
  readonly #server = createServer((request, response) => {
    this.requests += 1;
    this.#answer(request.url ?? "", response);
  });

  /** For a suite: it answers while its tests run. */
  static ofSuite(): ProbedServer {
    const server = new ProbedServer();
    before("a server", () => server.#listen());
    beforeEach(() => {
      server.requests = 0;
    });
    after(() => server.#close());
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get base(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  #answer(path: string, response: ServerResponse): void {
    if (path === "/loop") response.writeHead(302, { location: "/loop" }).end();
    else if (path === "/escape") response.writeHead(200).end("\u001b[31mred\u0000 \u007f");
    else if (path === "/away") response.writeHead(302, { location: "file:///etc/passwd" }).end();
    else if (path === "/redirect") response.writeHead(302, { location: "/login" }).end();
    else if (path === "/503") response.writeHead(503).end("no token");
    else if (path === "/late") response.writeHead(this.requests < 4 ? 503 : 200).end("ok");
    else if (path === "/early") response.writeHead(this.requests < 4 ? 200 : 503).end("ok");
    else if (path === "/endless") endless(response.writeHead(200));
    else if (path !== "/silent") response.writeHead(200).end('{"status":\n "healthy"}');
  }

  #listen(): Promise<void> {
    return new Promise((ready) => this.#server.listen(0, "127.0.0.1", ready));
  }

  #close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

function endless(response: ServerResponse): void {
  const more = () => {
    while (response.write("x".repeat(16_384)));
  };
  response.on("drain", more);
  more();
}
