// A confirmation proves that the host can be reached, so it must not travel over a connection that is there already.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type Lab, type LabHost, openLab } from "../../lab/lab.ts";
import { run } from "../../lab/process.ts";
import { sshExecutor } from "../../providers/executors/ssh.ts";

describe("a fresh connection", function () {
  this.timeout(60_000);
  let lab: Lab;
  let host: LabHost;
  let directory: string;
  let config: string;
  const configured = process.env["NIXOS_PROMOTE_SSH_CONFIG"];

  before("a lab, and a user who shares connections", async function () {
    this.timeout(300_000);
    lab = await openLab({ instance: process.env["TEST_LAB"] ?? "test" });
    host = lab.host("prod");
    directory = mkdtempSync("/tmp/nixos-promote-fresh-");
    config = `${directory}/ssh_config`;
    const shared = `Host *\n  ControlMaster auto\n  ControlPath ${directory}/%C\n  ControlPersist 60\n`;
    writeFileSync(config, `${shared}${readFileSync(`${lab.dir}/ssh_config`, "utf8")}`);
    process.env["NIXOS_PROMOTE_SSH_CONFIG"] = config;
    await run(["ssh", "-F", config, host.name, "true"]);
  });
  after(async () => {
    if (configured === undefined) delete process.env["NIXOS_PROMOTE_SSH_CONFIG"];
    else process.env["NIXOS_PROMOTE_SSH_CONFIG"] = configured;
    await run(["ssh", "-F", config, "-O", "exit", host.name]);
    rmSync(directory, { recursive: true });
    await lab?.close();
  });

  const who = 'echo "$SSH_CONNECTION"';

  it("is one of its own each time, also where the user's ssh configuration shares connections", async () => {
    const shared = async () => (await run(["ssh", "-F", config, host.name, who])).stdout.trim();
    const users = await shared();
    assert.equal(await shared(), users, "the user's ssh shares no connection: this proves nothing");
    const executor = sshExecutor({ kind: "ssh", host: host.name });
    const ask = async (fresh: boolean) =>
      (await executor.run(who, "", { timeoutSeconds: 20, fresh })).trim();
    const ours = await ask(false);
    assert.equal(await ask(false), ours, "our own calls share a connection");
    const fresh = [await ask(true), await ask(true)];
    executor.close();
    const all = [users, ours, ...fresh];
    assert.equal(new Set(all).size, all.length, all.join("\n"));
    assert.match(fresh[0] ?? "", /^\S+ \d+ \S+ 22$/);
  });
});
