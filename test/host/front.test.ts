import assert from "node:assert/strict";
import type { Lab, LabHost } from "../../lab/lab.ts";
import { openLab } from "../../lab/lab.ts";
import type { Argument } from "../../providers/executors/argument.ts";
import { FILE, installProxy, PORT, UNIT, write } from "../support/proxy.ts";
import { type Answer, ask } from "./on-host.ts";

const ONE = "127.0.0.1:7001";
const OTHER = "http://127.0.0.1:7002";

describe("the front of some hosts", function () {
  this.timeout(60_000);
  let lab: Lab;
  let proxy: LabHost;

  before("a lab host with a Caddy, and two services behind it", async function () {
    this.timeout(300_000);
    lab = await openLab({ instance: process.env["TEST_LAB"] ?? "test", hosts: ["proxy"] });
    proxy = lab.host("proxy");
    await proxy.reset();
    await installProxy(proxy);
    for (const port of [7001, 7002]) await serve(port);
  });

  after("the lab goes", () => lab?.close());

  beforeEach("traffic goes to one, for good", async () => {
    const directory = FILE.slice(0, FILE.lastIndexOf("/"));
    await proxy.must(["rm", "-rf", directory]);
    await change({ step: "move", host: "one", to: ONE });
    await change({ step: "keep", was: ONE });
  });

  async function serve(port: number): Promise<void> {
    const unit = `--unit=service-${port}`;
    const program = `import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/slow": time.sleep(4)
        body = b"${port}"
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", ${port}), Handler).serve_forever()`;
    await proxy.must(["systemd-run", "--quiet", unit, "python3", "-c", program]);
  }

  const look = (more: { [key: string]: Argument } = {}) =>
    ask(proxy, "front", { file: FILE, unit: UNIT, ...more });

  const change = (more: { [key: string]: Argument }) =>
    ask(proxy, "move-front", { file: FILE, unit: UNIT, ...more });

  async function answers(path = "/"): Promise<string> {
    const url = `http://${proxy.address}:${PORT}${path}`;
    const answer = await fetch(url, { headers: { connection: "close" } });
    return answer.status === 200 ? answer.text() : String(answer.status);
  }

  const text = () => proxy.must(["cat", FILE]);
  const facts = () => proxy.must(["stat", "-c", "%a %u %g %Y %s", FILE]);
  const messageOf = (answer: Answer) => {
    const { code, message } = answer["error"] as { code: string; message: string };
    return `${code}: ${message}`;
  };

  it("says where traffic goes, and whether somebody reads it", async () => {
    assert.deepEqual(await look(), {
      ...{ machineId: proxy.machineId, target: ONE, trial: false, before: null },
      ...{ running: true, connections: null },
    });
    await proxy.must(["systemctl", "stop", UNIT]);
    assert.equal((await look())["running"], false);
    await proxy.must(["systemctl", "start", UNIT]);
  });

  it("moves at once, and is on trial until that is made good", async () => {
    assert.equal(await answers(), "7001");
    const moved = await change({ step: "move", was: ONE, host: "other", to: OTHER });
    assert.deepEqual([moved["target"], moved["trial"], moved["before"]], [OTHER, true, ONE]);
    assert.equal(await answers(), "7002");
    assert.match(
      await text(),
      /^# nixos-promote: public traffic goes to other\. .*\nto http:\/\/127\.0\.0\.1:7002\n$/,
    );
    const kept = await change({ step: "keep", was: OTHER });
    assert.deepEqual([kept["target"], kept["trial"], kept["before"]], [OTHER, false, null]);
    assert.equal(await answers(), "7002");
  });

  it("goes back to the very file that was there, and to none if there was none", async () => {
    await proxy.must([
      "sh",
      "-c",
      `printf '# by hand\\n' >>${FILE}; chmod 640 ${FILE}; touch -d 2020-01-01 ${FILE}`,
    ]);
    const [before, was] = [await text(), await facts()];
    await change({ step: "move", was: ONE, host: "other", to: OTHER });
    assert.notEqual(await text(), before);
    await change({ step: "back", was: OTHER });
    assert.equal(await text(), before);
    assert.equal(await facts(), was);
    assert.equal(await answers(), "7001");

    await proxy.must(["rm", FILE]);
    await change({ step: "move", host: "other", to: OTHER });
    await change({ step: "back", was: OTHER });
    assert.equal((await look())["target"], null);
    assert.equal(await answers(), "503");
    const left = await proxy.must(["ls", "-A", FILE.slice(0, FILE.lastIndexOf("/"))]);
    assert.equal(left, "");
  });

  it("goes back to the last that was good after two that nobody has proven", async () => {
    await change({ step: "move", was: ONE, host: "other", to: OTHER });
    const again = await change({ step: "move", was: OTHER, host: "third", to: "127.0.0.1:7003" });
    assert.equal(again["before"], ONE);
    await change({ step: "back", was: "127.0.0.1:7003" });
    assert.equal(await answers(), "7001");
  });

  it("leaves it where it is if the proxy does not take it, and says why", async () => {
    const caddyfile = await proxy.must(["cat", "/etc/front/Caddyfile"]);
    const before = await facts();
    await write(proxy, "/etc/front/Caddyfile", caddyfile.replace("header_down", "no_such_word"));
    const refused = await change({ step: "move", was: ONE, host: "other", to: OTHER });
    assert.match(
      messageOf(refused),
      /^reload-failed: front\.service did not take it: .*no_such_word/,
    );
    assert.match(messageOf(refused), /did not read the file as it was before either/);
    assert.equal(await facts(), before);
    assert.equal(await answers(), "7001");
    await write(proxy, "/etc/front/Caddyfile", caddyfile);
    assert.deepEqual([(await look())["target"], (await look())["trial"]], [ONE, false]);
  });

  it("is not moved by who has seen it elsewhere", async () => {
    await change({ step: "move", was: ONE, host: "other", to: OTHER });
    await change({ step: "keep", was: OTHER });
    for (const step of ["move", "keep", "back"]) {
      const refused = await change({ step, was: ONE, host: "other", to: OTHER });
      assert.match(
        messageOf(refused),
        /^moved-meanwhile: Somebody else has changed .* it says http:\/\/127\.0\.0\.1:7002 now/,
      );
    }
    assert.equal(await answers(), "7002");
  });

  it("is not moved while the proxy does not run", async () => {
    await proxy.must(["systemctl", "stop", UNIT]);
    const refused = await change({ step: "move", was: ONE, host: "other", to: OTHER });
    await proxy.must(["systemctl", "start", UNIT]);
    assert.match(
      messageOf(refused),
      /^proxy-down: The proxy does not run: front\.service is not active\./,
    );
    assert.deepEqual([(await look())["target"], (await look())["trial"]], [ONE, false]);
  });

  it("never takes a file that is somebody else's", async () => {
    const file = "/etc/front/Caddyfile";
    for (const step of [{ step: "move", host: "other", to: OTHER }, { step: "keep" }]) {
      const refused = await ask(proxy, "move-front", { file, unit: UNIT, ...step });
      assert.match(
        messageOf(refused),
        /^foreign-file: \[traffic\.file\] \/etc\/front\/Caddyfile is there already/,
      );
    }
    await proxy.must(["ln", "-sf", "/etc/front/Caddyfile", "/etc/front/link"]);
    const link = await ask(proxy, "front", { file: "/etc/front/link", unit: UNIT });
    assert.match(messageOf(link), /^foreign-file/);
  });

  it("takes no place that would be something else to Caddy", async () => {
    for (const to of ["127.0.0.1:1\n}", "a:1 b:2", "{env.HOME}:1", "unix//run/x", "a:1 # x"]) {
      const refused = await change({ step: "move", was: ONE, host: "other", to });
      assert.match(messageOf(refused), /^bad-argument: \[to\] is not a place/, to);
    }
    assert.equal(await answers(), "7001");
  });

  it("is left alone when the disk is full", async () => {
    const directory = FILE.slice(0, FILE.lastIndexOf("/"));
    await proxy.must(["mount", "-t", "tmpfs", "-o", "size=8k,nr_inodes=4", "none", directory]);
    try {
      await change({ step: "move", host: "one", to: ONE });
      await change({ step: "keep", was: ONE });
      await proxy.exec(["sh", "-c", `cat /dev/zero >${directory}/full`]);
      const refused = await change({ step: "move", was: ONE, host: "other", to: OTHER });
      assert.match(messageOf(refused), /^write-failed: .* could not be written\./);
      assert.deepEqual([(await look())["target"], (await look())["trial"]], [ONE, false]);
      assert.equal(await answers(), "7001");
    } finally {
      await proxy.must(["umount", directory]);
    }
  });

  it("counts what one place has yet to finish, and cuts none of it", async () => {
    const slow = answers("/slow");
    const open = async () => (await look({ connectionsTo: ONE }))["connections"];
    while ((await open()) === 0);
    await change({ step: "move", was: ONE, host: "other", to: OTHER });
    assert.equal(await open(), 1);
    assert.equal(await answers(), "7002");
    assert.equal(await slow, "7001");
    assert.equal(await open(), 0);
    assert.equal((await look({ connectionsTo: "name.example.com:80" }))["connections"], null);
  });
});
