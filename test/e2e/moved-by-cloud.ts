// A project whose stacks find our stand-in for AWS's plugin, and whose people find their way by what moto says.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Project } from "../../lab/project.ts";
import type { Resolved } from "../support/resolver.ts";

const PLUGIN = new URL("../support/aws-plugin", import.meta.url).pathname;
const RESOLVER = new URL("../support/resolver.ts", import.meta.url).href;

/** Pulumi takes the plugin that a project names, whatever else is installed. */
export function useAws(project: Project, url: string): void {
  const file = join(project.directory, "Pulumi.yaml");
  const text = readFileSync(file, "utf8").replace(
    /( *)- name: nixos\n/,
    `$1- name: aws\n$1  path: ${PLUGIN}\n$&`,
  );
  rmSync(file); // a link to that of the checkout
  writeFileSync(file, text);
  project.environment["AWS_ENDPOINT_URL"] = url;
}

/** From now on, for all that runs in the project. */
export function usePeople(project: Project, resolved: Resolved): void {
  Object.assign(project.environment, {
    PEOPLE_RESOLVE: JSON.stringify(resolved),
    NODE_OPTIONS: `--disable-warning=ExperimentalWarning --import=${RESOLVER}`,
  });
}

/** What people ask for. */
export const NAME = "os.example.com";
export const ADDRESSES = { prod: "127.0.0.11", spare: "127.0.0.12" } as const;
export type Host = keyof typeof ADDRESSES;

/** A host of which no stack is named: it says who it is, as long as it is well. */
export class Visited {
  ill = false;
  onVisit = () => {};
  readonly #server: Server;

  constructor(name: Host) {
    this.#server = createServer((_request, response) => {
      this.onVisit();
      response.writeHead(this.ill ? 503 : 200, { "x-served-by": name }).end();
    });
  }

  listen(host: Host, port: number): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen(port, ADDRESSES[host], () =>
        resolve((this.#server.address() as AddressInfo).port),
      );
    });
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
