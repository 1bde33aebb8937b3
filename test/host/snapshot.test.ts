// The state of a lab host at one moment, for whoever looks for a difference.
import assert from "node:assert/strict";
import { snapshot } from "../../contract/snapshot.ts";
import { diffSnapshots } from "../../contract/snapshot-diff.ts";
import { exportSnapshot, importSnapshot } from "../../contract/snapshot-env.ts";
import { ask } from "./on-host.ts";
import { type More, Prod } from "./prod.ts";
import { UNITS } from "./releases.ts";

const BIN = "/opt/choiros/bin";
const SECRET = "hunter2-the-secret";
const ENV = "/opt/choiros/secrets/platform.env";

describe("a snapshot", function () {
  this.timeout(120_000);
  const prod = Prod.onceSettled();

  before("a unit with secrets, a link, and a cache with a password", () =>
    prod.sh(`mkdir -p ${BIN} ${ENV.replace(/\/[^/]*$/, "")} /etc/systemd/system.control /run/systemd/system
      cp "$(type -P sleep)" /opt/choiros/tool; ln -sfn /opt/choiros/tool ${BIN}/tool; : >${BIN}/plain
      printf 'TOKEN=%s\\n' '${SECRET}' >${ENV}; chmod 0640 ${ENV}
      printf '[Service]\\nExecStart=/bin/sleep infinity\\nEnvironment=INLINE=${SECRET}\\nEnvironmentFile=${ENV}\\nEnvironmentFile=-/nowhere.env\\nLoadCredential=key:${ENV}\\n' >/run/systemd/system/secretive.service
      systemctl daemon-reload; systemctl start secretive
      printf 'extra-substituters = https://user:${SECRET}@cache.example.com?token=${SECRET}\\n' >>/etc/nix/nix.conf`),
  );
  const question = (more: More = {}): More => ({
    ...{ units: [...UNITS, "secretive", "no-such.service"], directories: ["/var/lib", "/nowhere"] },
    links: { directory: BIN, names: ["tool", "plain", "gone"] },
    probes: [
      {
        name: "login",
        kind: "http",
        url: `http://user:${SECRET}@127.0.0.1:9090/login`,
        status: [200],
      },
      { name: "unit", kind: "unit", unit: "hypervisor.service", identity: true },
      { name: "closed", kind: "socket", port: 1 },
      { name: "query", kind: "http", url: `http://127.0.0.1:1/?key=${SECRET}` },
    ],
    ...more,
  });
  const take = async (more: More = {}) =>
    snapshot.parse(await ask(prod.host, "snapshot", question(more)));

  it("tells what runs, of which programs, how healthy, and beside what", async () => {
    const seen = await take();
    assert.deepEqual(
      [seen.hostname, seen.currentSystem, seen.profile],
      ["choiros-prod", prod.a, prod.a],
    );
    assert.match(seen.generation, /^\d+$/);
    assert.ok(
      [seen.nixosVersion, seen.kernel, seen.nixVersion, seen.machineId].every(
        (word) => word !== "unknown",
      ),
    );
    const sum = (await prod.sh("sha256sum /opt/choiros/tool")).slice(0, 64);
    assert.deepEqual(seen.components, {
      tool: { link: `${BIN}/tool`, path: "/opt/choiros/tool", sha256: sum },
      plain: { link: `${BIN}/plain`, path: `${BIN}/plain`, sha256: "not-executable" },
      gone: { link: `${BIN}/gone`, path: "absent", sha256: "absent" },
    });
    assert.ok(seen.units !== "unknown");
    assert.equal(seen.units["hypervisor.service"]?.active, "active");
    assert.equal(seen.units["no-such.service"]?.active, "absent");
    assert.deepEqual(seen.units["secretive.service"]?.environmentFiles, [ENV, "/nowhere.env"]);
    assert.deepEqual(seen.secrets, {
      "/nowhere.env": { state: "absent", owner: "absent", mode: "absent" },
      [ENV]: { state: "present", owner: "root:root", mode: "640" },
    });
    assert.deepEqual(seen.health, {
      login: { state: "ok", target: "http://127.0.0.1:9090/login" },
      unit: { state: "ok", target: "hypervisor.service" },
      closed: { state: "fail", target: "port 1" },
      query: { state: "fail", target: "http://127.0.0.1:1/" },
    });
    assert.ok(seen.disks !== "unknown" && (seen.disks["/"]?.free ?? 0) > 0);
    assert.ok(
      seen.caches !== "unknown" && seen.caches.substituters.includes("https://cache.example.com"),
    );
    assert.equal(seen.repo, null);
    assert.ok(seen.data !== "unknown" && seen.data["/nowhere"]?.state === "absent");
  });

  it("holds no secret, in either form", async () => {
    assert.match(
      await prod.sh(`cat ${ENV} /etc/nix/nix.conf; systemctl cat secretive`),
      new RegExp(SECRET),
    );
    const seen = await take();
    assert.doesNotMatch(JSON.stringify(seen), new RegExp(SECRET));
    assert.doesNotMatch(exportSnapshot(seen), new RegExp(SECRET));
  });

  it("tells of a checkout its commit and whether it was changed, and runs nothing that it configures", async () => {
    const repo = "/tmp/checkout";
    await prod.sh(`rm -rf ${repo} /tmp/ran; git init -q ${repo}; cd ${repo}; git -c user.name=x -c user.email=x commit -q --allow-empty -m x
      printf '#!/bin/sh\\ntouch /tmp/ran\\n' >.git/monitor; chmod +x .git/monitor; git config core.fsmonitor .git/monitor; chown -R 1000 .`);
    const head = (await prod.sh(`git -c safe.directory='*' -C ${repo} rev-parse HEAD`)).trim();
    assert.deepEqual((await take({ repo })).repo, { path: repo, head, dirty: "false" });
    await prod.sh(`echo x >${repo}/new`);
    assert.deepEqual((await take({ repo })).repo, { path: repo, head, dirty: "true" });
    await prod.sh("[[ ! -e /tmp/ran ]]");
    assert.deepEqual((await take({ repo: "/no/where" })).repo, {
      path: "/no/where",
      head: "absent",
      dirty: "unknown",
    });
  });

  it("is a word where something cannot be told, and hangs nowhere", async () => {
    await prod.sh(
      "mkdir -p /run/broken && for name in nix systemctl df sha256sum; do printf '#!/bin/sh\\nexit 1\\n' >/run/broken/$name; done; chmod +x /run/broken/*",
    );
    const { scriptOf } = await import("../../providers/executors/script.ts");
    const { flatten } = await import("../../providers/executors/argument.ts");
    const { remoteCommand } = await import("../../providers/executors/remote-command.ts");
    const script = `export PATH=/run/broken:$PATH\n${scriptOf("snapshot")}`;
    const ran = await prod.host.ssh(remoteCommand(script), {
      input: `${script}${flatten(question())}`,
    });
    const seen = snapshot.parse(JSON.parse(ran.stdout));
    assert.deepEqual(
      [seen.nixVersion, seen.units, seen.disks, seen.failedUnits],
      ["unknown", "unknown", "unknown", "unknown"],
    );
    assert.ok(seen.components !== "unknown" && seen.components["tool"]?.sha256 === "unknown");
    assert.equal(seen.currentSystem, prod.a);
    assert.equal(diffSnapshots(seen, await take()).verdict, "undecided");
  });

  it("compares with one in the other form, and with one of another release", async () => {
    const before = await take();
    assert.equal(diffSnapshots(before, importSnapshot(exportSnapshot(before))).verdict, "alike");
    await prod.sh('cp "$(type -P cat)" /opt/choiros/tool');
    const said = diffSnapshots(before, await take());
    assert.deepEqual(
      [said.verdict, said.sentence],
      ["release-drift", "Release drift: component tool."],
    );
    assert.equal((await prod.activate("b")).outcome, "committed");
    assert.match(
      diffSnapshots(before, await take()).sentence,
      /^Release drift: component tool, system/,
    );
  });
});
