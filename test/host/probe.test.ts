// Probes in a bash on this machine, against a server in this process.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Verdict } from "../../contract/verdict.ts";
import { type Argument, flatten } from "../../providers/executors/argument.ts";
import { bash } from "./local-bash.ts";
import { Transactions } from "./transactions.ts";

const PROBE = `
RUN=\${arg[run]} step=health cancelled=
is_cancelled() { return 1; }
status() { note "status: $2"; }
check_probes
if run_probes /nix/store/none; then passed=true; else passed=false; fi
json_object passed:j "$passed" reason:s "$probes_failed" probes:j "$probes_json"
answer "$REPLY"`;

interface Result {
  readonly passed: boolean;
  readonly reason: string;
  /** What was told while it waited. */
  readonly told: string[];
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
      if (path === "/loop") response.writeHead(302, { location: "/loop" }).end();
      else if (path === "/escape") response.writeHead(200).end("\u001b[31mred\u0000 \u007f");
      else if (path === "/away") response.writeHead(302, { location: "file:///etc/passwd" }).end();
      else if (path === "/redirect") response.writeHead(302, { location: "/login" }).end();
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
    const parts = [
      "json.sh",
      "lib.sh",
      "units.sh",
      "switch.sh",
      "links.sh",
      "probe-place.sh",
      "probe-kinds.sh",
      "probe.sh",
    ];
    const { stdout, stderr } = await bash(parts, PROBE, input);
    const told = stderr.split("\n").flatMap((line) => line.match(/^status: (.*)/)?.[1] ?? []);
    return { ...(JSON.parse(stdout) as Result), told };
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

  it("follow redirects when asked: five of them, and to no other kind of address", async () => {
    const followed = await probe(http("/redirect", { followRedirects: true, body: "healthy" }));
    assert.equal(followed.passed, true);
    assert.equal(followed.probes[0]?.answer, `200 at ${base}/login (redirected)`);
    const loop = await probe(http("/loop", { followRedirects: true, deadlineSeconds: 0 }));
    assert.equal(
      loop.reason,
      `p0 is not healthy: more than 5 redirects, the last from ${base}/loop`,
    );
    assert.equal(requests, 2 + 6);
    const away = await probe(http("/away", { followRedirects: true, deadlineSeconds: 0 }));
    assert.match(away.reason, /file.*(not supported|disabled)/i);
  });

  it("keep control characters of an answer from the terminal", async () => {
    const said = await probe(http("/escape", { body: "^nothing" }));
    assert.match(said.reason, /the body does not match: {2}\[31mred {2}$/);
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

  it("tell what is waited for: the one that is the furthest from passing, and how long", async () => {
    const said = await probe(
      http("/", { name: "soaking", soakSeconds: 3, deadlineSeconds: 9 }),
      http("/", { name: "resting", graceSeconds: 2, deadlineSeconds: 9 }),
      http("/503", { name: "idle", required: false, deadlineSeconds: 9 }),
      { name: "port", kind: "socket", port: 1, deadlineSeconds: 1.5 },
    );
    assert.match(said.reason, /^port is not healthy/);
    const later = said.told.filter((text) => !/no answer yet/.test(text));
    assert.equal(
      later[0],
      "waiting for port: nothing listens on port 1, 0 s of 1.5 s (and 2 more)",
    );
    const rest = await probe(
      http("/", { name: "resting", graceSeconds: 1.5, deadlineSeconds: 9 }),
      http("/", { name: "soaking", soakSeconds: 3, deadlineSeconds: 9 }),
    );
    assert.equal(rest.passed, true);
    const has = (text: string) => assert.ok(rest.told.includes(text), `${text}: ${rest.told}`);
    has("waiting for soaking: 200, healthy for 2 s of 3 s");
    const resting = await probe(http("/", { name: "resting", graceSeconds: 1.5 }));
    assert.ok(resting.told.includes("waiting for resting: not asked yet, grace of 1 s of 1.5 s"));
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

  it("see on which address somebody listens", async () => {
    const port = (server.address() as AddressInfo).port;
    const socket = { kind: "socket", port, deadlineSeconds: 0 };
    assert.equal((await probe({ ...socket, address: "127.0.0.1" })).passed, true);
    assert.equal(
      (await probe({ ...socket, address: "192.0.2.1" })).reason,
      `p0 is not healthy: nothing listens on 192.0.2.1 port ${port}, only on 127.0.0.1`,
    );
    const gone = await probe({ ...socket, namespace: { path: "/run/netns/no-such-place" } });
    assert.equal(
      gone.reason,
      "p0 is not healthy: there is no network namespace /run/netns/no-such-place",
    );
    assert.equal(
      (await probe({ ...socket, namespace: { path: "/proc/self/ns/net" } })).passed,
      true,
    );
  });

  it("leave a grandchild that keeps the pipe open behind", async () => {
    const argv = ["sh", "-c", "setsid sleep 20 & echo gone; exit 3"];
    const began = Date.now();
    const said = await probe({ kind: "command", argv, deadlineSeconds: 0 });
    assert.match(said.reason, /exit 3: gone$/);
    assert.ok(Date.now() - began < 10_000);
  });

  it("see the end of a flood of output, which is kept nowhere", async () => {
    const argv = ["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last; exit 1"];
    const said = await probe({
      kind: "command",
      argv,
      timeoutSeconds: 20,
      deadlineSeconds: 20,
      required: false,
    });
    assert.match(said.probes[0]?.answer ?? "", /last answer: exit 1: last$/);
  });

  it("see who listens", async () => {
    const port = (server.address() as AddressInfo).port;
    assert.equal((await probe({ kind: "socket", port })).passed, true);
    assert.match((await probe({ kind: "socket", port: 1 })).reason, /nothing listens on port 1$/);
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

describe("probes on a host", function () {
  this.timeout(120_000);
  let on: Transactions;

  before(async function () {
    this.timeout(300_000);
    on = await Transactions.open();
  });
  after(() => on?.close());

  /** Activates what runs already, with these probes instead of the usual ones. */
  async function probe(...probes: { [key: string]: Argument }[]): Promise<Verdict> {
    const full = probes.map((given, index) => ({
      ...{ name: `p${index}`, intervalSeconds: 0.2, deadlineSeconds: 1 },
      ...given,
    }));
    return on.activate("a", { probes: full });
  }
  const answers = (said: Verdict) => said.probes.map(({ ok, answer }) => `${ok}: ${answer}`);

  it("look into a container's network by its unit or by a path, without its tool", async () => {
    const live = { unit: "container@sandbox-live.service" };
    const url = "http://127.0.0.1:8080/health";
    const said = await probe(
      { kind: "socket", port: 8080, namespace: live },
      { kind: "socket", port: 8080, namespace: { path: "/run/netns/sandbox-dev" } },
      { kind: "http", url, body: "sandbox-live", namespace: live },
      // Not on the host itself; so it was not the host that answered.
      { kind: "socket", port: 8080, required: false },
    );
    assert.deepEqual(answers(said), [
      "true: listening on port 8080",
      "true: listening on port 8080",
      "true: 200",
      "false: undecided when the waiting ended; last answer: nothing listens on port 8080",
    ]);
  });

  it("find the container behind a process that itself stays in the host's network", async () => {
    const argv = ["systemd-run", "--unit=nspawn-like", "--service-type=exec", "sh", "-c"];
    await on.prod.must([...argv, "ip netns exec sandbox-live sleep 600; true"]);
    try {
      const namespace = { unit: "nspawn-like.service" };
      const said = await probe({ kind: "socket", port: 8080, namespace });
      assert.deepEqual(answers(said), ["true: listening on port 8080"]);
    } finally {
      await on.prod.must(["systemctl", "stop", "nspawn-like"]);
    }
    const gone = await probe({
      kind: "socket",
      port: 1,
      namespace: { unit: "nspawn-like.service" },
    });
    assert.match(
      gone.reason ?? "",
      /nspawn-like\.service has no process, so it has no network namespace/,
    );
  });

  it("are skipped, and say so, while their unit is inactive; a failed unit is no excuse", async () => {
    const closed = { kind: "socket", port: 1 };
    const said = await probe(
      { ...closed, onlyIfActive: "rescue.service" },
      { ...closed, onlyIfActive: "vm-of-nobody.service" },
      { kind: "unit", unit: "rescue.service", onlyIfActive: "rescue.service" },
    );
    assert.deepEqual(answers(said), [
      "true: skipped: rescue.service is inactive",
      "true: skipped: there is no unit vm-of-nobody.service",
      "true: skipped: rescue.service is inactive",
    ]);
    const asked = await probe({ ...closed, onlyIfActive: "caddy.service" });
    assert.match(asked.reason ?? "", /nothing listens on port 1\./);
    // It fails while the probe is waited for: a switch forgets what had failed before.
    await on.prod.must(["systemd-run", "--unit=vm-of-bob", "sh", "-c", "sleep 3; exit 1"]);
    const failed = await probe({
      ...closed,
      onlyIfActive: "vm-of-bob.service",
      deadlineSeconds: 6,
    });
    assert.match(failed.reason ?? "", /nothing listens on port 1\./);
    await on.prod.exec(["systemctl", "reset-failed"]);
  });

  it("start two processes for a try, three for a unit", async () => {
    const parts = ["json", "lib", "units", "probe-place", "probe-kinds", "probe", "links"];
    const directory = new URL("../../host/", import.meta.url);
    const script = parts.map((part) => readFileSync(new URL(`${part}.sh`, directory), "utf8"));
    const { stdout } = await on.prod.exec(["bash", "-c", `${script.join("\n")}\n${COUNT}`]);
    const [http = 0, unit = 0, socket = 0, command = 0] = stdout.trim().split(" ").map(Number);
    // One more with http: the hypervisor answers every request in a thread of its own.
    assert.deepEqual(
      { http, unit, socket, command },
      { http: 2 + 1, unit: 3, socket: 2, command: 2 },
    );
  });
});

// The process numbers of the host tell how many were started; other services start some too, so the least of ten tries counts.
const COUNT = `
RUN=/run/count p=probes.0 i=0 healthy='' limit=5.000 file=/run/count/0 toplevel=$(readlink -f /run/current-system)
mkdir -p $RUN
place=() probes_closure=$(nix-store -qR "$toplevel")
arg=([probes.0.url]=http://127.0.0.1:9090/health [probes.0.body]=healthy [probes.0.unit]=hypervisor.service [probes.0.identity]=true
  [probes.0.port]=9090 [probes.0.argv.length]=1 [probes.0.argv.0]=true)
last() { read -r REPLY </proc/sys/kernel/ns_last_pid; }
for kind in http unit socket command; do
  least=99
  for n in 1 2 3 4 5 6 7 8 9 10; do
    last && before=$REPLY
    try_$kind || least=-99
    last
    if ((REPLY - before < least)); then least=$((REPLY - before)); fi
  done
  printf '%s ' "$least" >&3
done`;
