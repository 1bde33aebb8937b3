// An object store that speaks as much of S3 as keeping Pulumi's state takes: whole objects, listed, copied and deleted.
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export class ObjectStore {
  /** By `bucket/key`. */
  readonly objects = new Map<string, Buffer>();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        response.writeHead(500).end(String(error));
      });
    });
  }

  static async open(): Promise<ObjectStore> {
    const store = new ObjectStore();
    await new Promise<void>((listening) => store.#server.listen(0, "127.0.0.1", listening));
    return store;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "", this.endpoint);
    const name = decodeURIComponent(url.pathname.slice(1));
    const object = this.objects.get(name);
    const copied = request.headers["x-amz-copy-source"];
    if (request.method === "PUT" && typeof copied === "string") {
      const source = this.objects.get(decodeURIComponent(copied.replace(/^\//, "")));
      if (source === undefined) return notFound(response);
      this.objects.set(name, source);
      xml(response, `<CopyObjectResult><ETag>${tagOf(source)}</ETag></CopyObjectResult>`);
    } else if (request.method === "PUT") {
      const body = await bodyOf(request);
      this.objects.set(name, body);
      response.writeHead(200, { etag: tagOf(body) }).end();
    } else if (request.method === "DELETE") {
      this.objects.delete(name);
      response.writeHead(204).end();
    } else if (url.searchParams.has("list-type")) {
      xml(response, this.#list(name.replace(/\/$/, ""), url.searchParams));
    } else if (object === undefined) {
      notFound(response);
    } else {
      const headers = { "content-length": object.length, etag: tagOf(object), ...LAST };
      response.writeHead(200, headers).end(request.method === "HEAD" ? undefined : object);
    }
  }

  #list(bucket: string, query: URLSearchParams): string {
    const [prefix, delimiter] = [query.get("prefix") ?? "", query.get("delimiter") ?? ""];
    const keys = [...this.objects.keys()]
      .filter((name) => name.startsWith(`${bucket}/${prefix}`))
      .map((name) => name.slice(bucket.length + 1))
      .sort();
    const folders = new Set<string>();
    const files: string[] = [];
    for (const key of keys) {
      const end = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
      if (end < 0) files.push(key);
      else folders.add(key.slice(0, end + delimiter.length));
    }
    const contents = files.map((key) => {
      const object = this.objects.get(`${bucket}/${key}`) ?? Buffer.alloc(0);
      return `<Contents><Key>${key}</Key><Size>${object.length}</Size><ETag>${tagOf(object)}</ETag><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>`;
    });
    const common = [...folders].map(
      (one) => `<CommonPrefixes><Prefix>${one}</Prefix></CommonPrefixes>`,
    );
    return `<ListBucketResult><Name>${bucket}</Name><IsTruncated>false</IsTruncated>${contents.join("")}${common.join("")}</ListBucketResult>`;
  }
}

const LAST = { "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT" };

function tagOf(object: Buffer): string {
  return `"${createHash("md5").update(object).digest("hex")}"`;
}

function xml(response: ServerResponse, text: string): void {
  response
    .writeHead(200, { "content-type": "application/xml" })
    .end(`<?xml version="1.0"?>${text}`);
}

function notFound(response: ServerResponse): void {
  const text = "<Error><Code>NoSuchKey</Code><Message>There is none.</Message></Error>";
  response.writeHead(404, { "content-type": "application/xml" }).end(text);
}

/** The SDK may send an object in chunks, each behind its length and its signature, with a checksum at the end. */
async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const all = Buffer.concat(parts);
  if (!String(request.headers["content-encoding"] ?? "").includes("aws-chunked")) return all;
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const end = all.indexOf("\r\n", at);
    const size = Number.parseInt(all.toString("latin1", at, end), 16);
    if (!(size > 0)) return Buffer.concat(chunks);
    chunks.push(all.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
}
