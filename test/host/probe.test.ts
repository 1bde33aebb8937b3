// Probes in a bash on this machine, against a server in this process.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Argument, flatten } from "../../providers/executors/argument.ts";
import { bash } from "./local-bash.ts";
import { ProbedServer } from "./probed-server.ts";

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
  const server = ProbedServer.ofSuite();
  let directory: string;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), "probe-"));
  });
  after(() => rmSync(directory, { recursive: true }));

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
    url: `${server.base}${path}`,
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

  it("do not wait for an interval where a service is just coming up", async () => {
    const said = await probe(http("/late", { intervalSeconds: 50, deadlineSeconds: 30 }));
    assert.equal(said.passed, true);
    assert.equal(said.probes[0]?.attempts, 4);
  });

  it("never follow a redirect", async () => {
    const said = await probe(http("/redirect"));
    assert.equal(said.passed, false);
    assert.equal(said.reason, `p0 is not healthy: 302 to ${server.base}/login`);
    assert.equal((await probe(http("/redirect", { status: [302] }))).passed, true);
  });

  it("follow redirects when asked: five of them, and to no other kind of address", async () => {
    const followed = await probe(http("/redirect", { followRedirects: true, body: "healthy" }));
    assert.equal(followed.passed, true);
    assert.equal(followed.probes[0]?.answer, `200 at ${server.base}/login (redirected)`);
    const loop = await probe(http("/loop", { followRedirects: true, deadlineSeconds: 0 }));
    assert.equal(
      loop.reason,
      `p0 is not healthy: more than 5 redirects, the last from ${server.base}/loop`,
    );
    assert.equal(server.requests, 2 + 6);
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

  it("that fall together are named in the order of the contract", async () => {
    const said = await probe(http("/503", { deadlineSeconds: 1.6 }), http("/503"));
    assert.equal(said.reason, "p0 is not healthy: 503");
    assert.deepEqual(
      said.probes.map(({ answer }) => answer),
      ["503", "503"],
    );
  });

  it("whose process is killed are started again, and given up when that never ends", async () => {
    const kill = (times: number) => {
      const killed = join(directory, `killed-${times}`);
      const script = `[ "$(cat "$0" | wc -l)" -ge ${times} ] && exit; echo >>"$0"
kill -9 "$(cut -d' ' -f4 "/proc/$PPID/stat")"`;
      writeFileSync(killed, "");
      return { kind: "command", argv: ["sh", "-c", script, killed] };
    };
    const once = await probe(kill(1), http("/"));
    assert.deepEqual([once.passed, once.reason], [true, ""]);
    const always = await probe(kill(99), http("/"));
    assert.equal(
      always.reason,
      "p0 is not healthy: its process ended unexpectedly (exit 137), again and again",
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
    const port = server.port;
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
    const port = server.port;
    assert.equal((await probe({ kind: "socket", port })).passed, true);
    assert.match((await probe({ kind: "socket", port: 1 })).reason, /nothing listens on port 1$/);
  });

  it("take nothing in a URL as an option or a pattern", async () => {
    assert.equal((await probe(http("/a{1,2}[3-4]"))).passed, true);
    assert.equal(server.requests, 1);
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
