import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Lab, openLab } from "../../lab/lab.ts";
import { run } from "../../lab/process.ts";
import { traces } from "./traces.ts";

const INSTANCE = "test-hosts";

describe("lab hosts", function () {
  this.timeout(120_000);
  let lab: Lab;

  before("a lab with two hosts", async function () {
    this.timeout(600_000);
    lab = await openLab({ instance: INSTANCE, log: console.error });
  });

  after("nothing of it is left", async () => {
    await lab?.close();
    assert.deepEqual(traces(INSTANCE), []);
  });

  it("answer on ssh under their aliases, each as itself", async () => {
    for (const name of ["choiros-grind", "choiros-prod"]) {
      const argv = [
        "ssh",
        "-F",
        env("NIXOS_PROMOTE_SSH_CONFIG"),
        "-o",
        "BatchMode=yes",
        name,
        "hostname",
      ];
      const ran = await run(argv);
      assert.equal(ran.stdout.trim(), name, ran.stderr);
    }
    const ids = await Promise.all(lab.hosts.map((host) => host.must(["cat", "/etc/machine-id"])));
    assert.equal(new Set(ids).size, 2);
    assert.deepEqual(
      ids.map((id) => id.trim()),
      lab.hosts.map((host) => host.machineId),
    );
  });

  it("are refused when they show another host key than the pinned one", async () => {
    const pinned = readFileSync(join(lab.dir, "known_hosts"), "utf8").split("\n");
    const keys = pinned.slice(0, 2).map((line) => line.split(" "));
    const swapped = [
      [keys[0]?.[0], ...(keys[1]?.slice(1) ?? [])],
      [keys[1]?.[0], ...(keys[0]?.slice(1) ?? [])],
    ];
    const file = join(lab.dir, "known_hosts.swapped");
    writeFileSync(file, `${swapped.map((words) => words.join(" ")).join("\n")}\n`);
    const { sshArgs } = lab.host("prod");
    const ran = await run(["ssh", "-o", `UserKnownHostsFile=${file}`, ...sshArgs.slice(1), "true"]);
    assert.equal(ran.code, 255);
    assert.match(ran.stderr, /REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed/);
  });

  it("refuse a key that is not the operator's", async () => {
    const strange = join(lab.dir, "strange");
    await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", strange]);
    const config = readFileSync(env("NIXOS_PROMOTE_SSH_CONFIG"), "utf8");
    writeFileSync(`${strange}.config`, config.replaceAll(join(lab.dir, "id_ed25519"), strange));
    const ran = await run([
      "ssh",
      "-F",
      `${strange}.config`,
      "-o",
      "BatchMode=yes",
      "choiros-prod",
      "true",
    ]);
    assert.equal(ran.code, 255);
    assert.match(ran.stderr, /Permission denied/);
  });

  it("keep private keys to their owner", async () => {
    for (const file of ["id_ed25519", "keys/operator", "keys/lab-1.secret"]) {
      assert.equal(statSync(join(lab.dir, file)).mode & 0o777, 0o600, file);
    }
    const grind = lab.host("grind");
    const paths = ["/root/.ssh/id_ed25519", "/var/lib/nixos-promote/keys/lab-1.secret"];
    assert.equal(await grind.must(["stat", "-c", "%a", ...paths]), "600\n600\n");
    const onProd = paths.map((path) => existsSync(join(lab.host("prod").root, path)));
    assert.deepEqual(onProd, [false, false]);
  });

  it("take every argument as it is, over ssh and inside", async () => {
    const hostile = [
      "$(id)",
      "`id`",
      "a b",
      "it's",
      "-n",
      "",
      "line\nbreak",
      "ü",
      '"',
      "\\",
      ";reboot",
    ];
    for (const way of ["ssh", "exec"] as const) {
      const ran = await lab.host("prod")[way](["printf", "%s\\0", ...hostile]);
      assert.deepEqual(ran.stdout.split("\0").slice(0, -1), hostile, way);
    }
  });

  it("reach each other by name, grind with its own key", async () => {
    await lab.host("prod").must(["ping", "-c1", "-W2", "choiros-grind"]);
    const name = await lab
      .host("grind")
      .must(["ssh", "-o", "BatchMode=yes", "choiros-prod", "hostname"]);
    assert.equal(name.trim(), "choiros-prod");
    const back = await lab
      .host("prod")
      .exec(["ssh", "-o", "BatchMode=yes", "choiros-grind", "true"]);
    assert.equal(back.code, 255);
  });

  it("copy store paths to prod only with a signature that prod trusts", async () => {
    const grind = lab.host("grind");
    const expression = `derivation { name = "copied"; system = builtins.currentSystem; builder = "/bin/sh";
      args = [ "-c" "echo ${Date.now()} > $out" ]; }`;
    const drv = (await grind.must(["nix-instantiate", "-E", expression])).trim();
    const path = (await grind.must(["nix-store", "--realise", drv])).trim();
    const copy = ["nix", "copy", "--to", "ssh-ng://choiros-prod", path];
    const unsigned = await grind.exec(copy);
    assert.notEqual(unsigned.code, 0);
    assert.match(unsigned.stderr, /lacks a signature by a trusted key/);
    await grind.must([
      "nix",
      "store",
      "sign",
      "-k",
      "/var/lib/nixos-promote/keys/lab-1.secret",
      path,
    ]);
    await grind.must(copy);
    await lab.host("prod").must(["nix-store", "--check-validity", path]);
  });

  it("can hold network namespaces of their own", async () => {
    const prod = lab.host("prod");
    await prod.must(["ip", "netns", "add", "box"]);
    await prod.must([
      "ip",
      "link",
      "add",
      "box0",
      "type",
      "veth",
      "peer",
      "name",
      "eth0",
      "netns",
      "box",
    ]);
    await prod.must(["ip", "addr", "add", "10.233.99.1/24", "dev", "box0"]);
    await prod.must(["ip", "link", "set", "box0", "up"]);
    await prod.must(["ip", "-n", "box", "addr", "add", "10.233.99.2/24", "dev", "eth0"]);
    await prod.must(["ip", "-n", "box", "link", "set", "eth0", "up"]);
    await prod.must(["ping", "-c1", "-W2", "10.233.99.2"]);
    await prod.must(["ip", "netns", "exec", "box", "ping", "-c1", "-W2", "10.233.99.1"]);
    await prod.must(["ip", "netns", "del", "box"]);
  });

  it("run the first system, which is their profile and boot default", async () => {
    for (const host of lab.hosts) {
      const current = (await host.must(["readlink", "-f", "/run/current-system"])).trim();
      assert.match(current, /^\/nix\/store\/.*-nixos-system-choiros-/);
      assert.equal(
        (await host.must(["readlink", "-f", "/nix/var/nix/profiles/system"])).trim(),
        current,
      );
      assert.equal((await host.must(["cat", "/boot/loader/default"])).trim(), current);
      assert.equal((await host.must(["readlink", "-f", "/run/booted-system"])).trim(), current);
      assert.equal(
        (await host.must(["systemctl", "is-system-running", "--wait"])).trim(),
        "running",
      );
    }
    const grind = lab.host("grind");
    const branch = await grind.must([
      "git",
      "-C",
      "/opt/choiros/workspace",
      "branch",
      "--show-current",
    ]);
    assert.equal(branch.trim(), "main");
    assert.equal(existsSync(join(lab.host("prod").root, "opt/choiros")), false);
  });

  it("come back from a power cut on what the boot default points at", async () => {
    const prod = lab.host("prod");
    const other = "/var/lib/other-system";
    mkdirSync(join(prod.root, other), { recursive: true });
    writeFileSync(
      join(prod.root, other, "activate"),
      `#!/bin/sh\nln -sfn ${other} /run/current-system\n`,
      { mode: 0o755 },
    );
    const before = readFileSync(join(prod.root, "boot/loader/default"), "utf8");
    writeFileSync(join(prod.root, "boot/loader/default"), `${other}\n`);
    await prod.must(["touch", "/run/volatile", "/root/kept"]);
    const victim = await startSleeper(prod);

    await prod.powerCut();
    assert.equal(prod.isRunning(), false);
    assert.equal(existsSync(`/proc/${victim}`), false, "the power cut left a process alive");
    await prod.boot();

    assert.equal((await prod.must(["readlink", "-f", "/run/current-system"])).trim(), other);
    assert.equal((await prod.must(["readlink", "/run/booted-system"])).trim(), other);
    assert.equal((await prod.exec(["test", "-e", "/run/volatile"])).code, 1);
    await prod.must(["test", "-e", "/root/kept"]);
    writeFileSync(join(prod.root, "boot/loader/default"), before);
    rmSync(join(prod.root, other), { recursive: true });
  });

  it("fall silent at a power cut: a connection sees no goodbye", async () => {
    const prod = lab.host("prod");
    const events: string[] = [];
    const socket = connect(22, prod.address);
    for (const name of ["close", "end", "error"] as const) socket.on(name, () => events.push(name));
    await new Promise((resolve) => socket.once("data", resolve));
    await prod.powerCut();
    await sleep(300);
    assert.deepEqual(events, []);
    socket.destroy();
    await prod.boot();
  });

  it("can be cut off from the network and go on living", async () => {
    const prod = lab.host("prod");
    await prod.cutNetwork();
    const argv = [...prod.sshArgs.slice(0, -1), "-o", "ConnectTimeout=1", prod.name, "true"];
    assert.equal((await run(argv)).code, 255);
    assert.equal((await prod.must(["hostname"])).trim(), prod.name);
    await prod.restoreNetwork();
    assert.equal((await prod.ssh(["true"])).code, 0);
  });

  it("can be joined by more of them", async () => {
    const grown = await openLab({ instance: INSTANCE, hosts: ["grind", "prod", "edge"] });
    assert.equal((await grown.host("edge").ssh(["hostname"])).stdout.trim(), "choiros-edge");
    const argv = ["ssh", "-o", "BatchMode=yes", "choiros-edge", "hostname"];
    assert.equal((await lab.host("grind").must(argv)).trim(), "choiros-edge");
  });

  it("are as new after a reset, with the same identity", async () => {
    const prod = lab.host("prod");
    await prod.must(["sh", "-c", "echo changed > /root/changed; rm -r /usr/share/ca-certificates"]);
    await prod.reset();
    assert.equal((await prod.exec(["test", "-e", "/root/changed"])).code, 1);
    await prod.must(["test", "-d", "/usr/share/ca-certificates"]);
    assert.equal((await prod.ssh(["cat", "/etc/machine-id"])).stdout.trim(), prod.machineId);
    assert.equal((await prod.must(["systemctl", "is-system-running", "--wait"])).trim(), "running");
  });

  function env(name: string): string {
    return lab.env[name] ?? assert.fail(`${name} is not in the lab's environment`);
  }
});

/** A process in the host; its number is the one on this machine. */
async function startSleeper(host: ReturnType<Lab["host"]>): Promise<string> {
  await host.must(["systemd-run", "--quiet", "--property=Type=exec", "sleep", "4242"]);
  const found = await run(["pgrep", "-fx", "/usr/bin/sleep 4242|sleep 4242"]);
  const pid = found.stdout.trim().split("\n")[0] ?? "";
  assert.notEqual(pid, "");
  return pid;
}
