// Probes in a bash on this machine, against a server in this process.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Argument, flatten } from "../../providers/executors/argument.ts";
import { bash } from "./local-bash.ts";

const PROBE = `
RUN=\${arg[run]} step=health cancelled=
is_cancelled() { return 1; }
check_probes
if run_probes /nix/store/none; then passed=true; else passed=false; fi
json_object passed:j "$passed" reason:s "$probes_failed" probes:j "$probes_json"
answer "$REPLY"`;

interface Result {
  readonly passed: boolean;
  readonly reason: string;
  readonly probes: {
    name: string;
    ok: boolean;
    attempts: number;
    seconds: number;
    answer: string;
  }[];
}

describe("probes", function () {
  this.timeout(30_000);
  let server: Server;
  let base: string;
  let directory: string;
  let requests = 0;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "probe-"));
    server = createServer((request, response) => {
      requests += 1;
      const path = request.url ?? "";
      if (path === "/redirect") response.writeHead(302, { location: "/login" }).end();
      else if (path === "/503") response.writeHead(503).end("no token");
      else if (path === "/late") response.writeHead(requests < 4 ? 503 : 200).end("ok");
      else if (path === "/early") response.writeHead(requests < 4 ? 200 : 503).end("ok");
      else if (path === "/endless") endless(response.writeHead(200));
      else if (path !== "/silent") response.writeHead(200).end('{"status":\n "healthy"}');
    });
    await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  beforeEach(() => {
    requests = 0;
  });
  after(() => {
    server?.closeAllConnections();
    server?.close();
    rmSync(directory, { recursive: true });
  });

  async function probe(...probes: { [key: string]: Argument }[]): Promise<Result> {
    const full = probes.map((given, index) => ({
      name: `p${index}`,
      intervalSeconds: 0.1,
      deadlineSeconds: 1,
      ...given,
    }));
    const input = flatten({ run: directory, probes: full });
    return JSON.parse(
      (
        await bash(
          ["json.sh", "lib.sh", "units.sh", "switch.sh", "links.sh", "probe-kinds.sh", "probe.sh"],
          PROBE,
          input,
        )
      ).stdout,
    ) as Result;
  }
  const http = (path: string, more: { [key: string]: Argument } = {}) => ({
    kind: "http",
    url: `${base}${path}`,
    ...more,
  });

  it("pass at once when the answer is right, body included", async () => {
    const said = await probe(http("/", { body: '"status"\\s*:\\s*"healthy"' }));
    assert.equal(said.passed, true);
    assert.equal(said.probes[0]?.attempts, 1);
    assert.equal(said.probes[0]?.answer, "200");
  });

  it("fail with the last answer when the deadline is over", async () => {
    const said = await probe(http("/503"));
    assert.equal(said.passed, false);
    assert.equal(said.reason, "p0 is not healthy: 503");
    assert.ok((said.probes[0]?.attempts ?? 0) >= 3);
  });

  it("try again until the service is up", async () => {
    const said = await probe(http("/late"));
    assert.equal(said.passed, true);
    assert.equal(said.probes[0]?.attempts, 4);
  });

  it("never follow a redirect", async () => {
    const said = await probe(http("/redirect"));
    assert.equal(said.passed, false);
    assert.equal(said.reason, `p0 is not healthy: 302 to ${base}/login`);
    assert.equal((await probe(http("/redirect", { status: [302] }))).passed, true);
  });

  it("show the body that does not match", async () => {
    const said = await probe(http("/", { body: "^nothing" }));
    assert.match(said.reason, /200, but the body does not match: \{"status": {2}"healthy"\}/);
  });

  it("say what keeps a server from answering", async () => {
    assert.match(
      (await probe({ kind: "http", url: "http://127.0.0.1:1/" })).reason,
      /connection refused/,
    );
    assert.match(
      (await probe(http("/silent", { timeoutSeconds: 0.3 }))).reason,
      /no answer within/,
    );
  });

  it("read no more than 64 kB of an endless body", async () => {
    assert.equal((await probe(http("/endless", { body: "^x", timeoutSeconds: 3 }))).passed, true);
  });

  it("fail at the first bad answer of the soak", async () => {
    const said = await probe(http("/early", { soakSeconds: 5, deadlineSeconds: 10 }));
    assert.equal(said.passed, false);
    assert.match(said.reason, /was healthy for [\d.]+ s, then: 503/);
  });

  it("pass a soak that holds", async () => {
    const said = await probe(http("/", { soakSeconds: 0.5 }));
    assert.equal(said.passed, true);
    assert.ok((said.probes[0]?.seconds ?? 0) >= 0.5);
  });

  it("wait for their grace before the first try", async () => {
    const said = await probe(http("/", { graceSeconds: 0.4 }));
    assert.ok((said.probes[0]?.seconds ?? 0) >= 0.4);
    assert.equal(said.probes[0]?.attempts, 1);
  });

  it("run side by side, and stop when a required one has failed", async () => {
    const began = Date.now();
    const said = await probe(http("/503"), http("/503", { deadlineSeconds: 20 }), http("/"));
    assert.ok(Date.now() - began < 5_000);
    assert.deepEqual(
      said.probes.map(({ ok }) => ok),
      [false, false, true],
    );
    assert.match(
      said.probes[1]?.answer ?? "",
      /^undecided when the waiting ended; last answer: 503$/,
    );
  });

  it("that are optional are asked, but nobody waits for them", async () => {
    const said = await probe(http("/"), http("/503", { required: false, deadlineSeconds: 20 }));
    assert.equal(said.passed, true);
    assert.equal(said.probes[1]?.ok, false);
    assert.match(said.probes[1]?.answer ?? "", /503/);
  });

  it("hand a command its arguments as they are, behind their place", async () => {
    const argv = ["test", "$(id) 'x' \"y\"\n*", "=", "$(id) 'x' \"y\"\n*"];
    assert.equal((await probe({ kind: "command", place: ["env", "--"], argv })).passed, true);
    const said = await probe({
      kind: "command",
      argv: ["sh", "-c", "echo broken; exit 3"],
    });
    assert.match(said.reason, /exit 3: broken/);
    const slow = await probe({
      kind: "command",
      argv: ["sleep", "20"],
      timeoutSeconds: 0.2,
    });
    assert.match(slow.reason, /no end within/);
  });

  it("see who listens", async () => {
    const port = (server.address() as AddressInfo).port;
    assert.equal((await probe({ kind: "socket", port })).passed, true);
    assert.match((await probe({ kind: "socket", port: 1 })).reason, /nothing listens on 1/);
  });

  it("take nothing in a URL as an option or a pattern", async () => {
    assert.equal((await probe(http("/a{1,2}[3-4]"))).passed, true);
    assert.equal(requests, 1);
    const file = await probe({ kind: "http", url: "file:///etc/passwd" });
    assert.equal(file.passed, false);
    const option = await probe({ kind: "http", url: `-o${directory}/owned` });
    assert.equal(option.passed, false);
  });

  it("that can never pass are refused", async () => {
    const error = (await probe(http("/", { body: "(" }))) as unknown as {
      error: { message: string };
    };
    assert.equal(error.error.message, "[probes.0.body] is not an extended regular expression.");
  });
});

function endless(response: import("node:http").ServerResponse): void {
  const more = () => {
    while (response.write("x".repeat(16_384)));
  };
  response.on("drain", more);
  more();
}
