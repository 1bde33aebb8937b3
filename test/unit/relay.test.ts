import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { inOrder, relay, relaySshConfig } from "../../providers/nixos/relay.ts";
import { GRIND, PROD, SYSTEM_A } from "../support/samples.ts";

describe("the ssh configuration of a relay", () => {
  const given = process.env["NIXOS_PROMOTE_SSH_CONFIG"];
  let directory = "";
  beforeEach(() => {
    directory = mkdtempSync(`${tmpdir()}/nixos-promote-test-`);
    process.env["NIXOS_PROMOTE_SSH_CONFIG"] = `${directory}/user_config`;
    writeFileSync(
      `${directory}/user_config`,
      "Host choiros-prod\n  HostName 192.0.2.12\n  User admin\n",
    );
  });
  afterEach(() => {
    if (given === undefined) delete process.env["NIXOS_PROMOTE_SSH_CONFIG"];
    else process.env["NIXOS_PROMOTE_SSH_CONFIG"] = given;
    rmSync(directory, { recursive: true });
  });

  /** What OpenSSH itself makes of the file for a host. */
  function optionsFor(host: string, text: string): Map<string, string> {
    const file = `${directory}/config`;
    writeFileSync(file, text);
    const ssh = spawnSync("ssh", ["-F", file, "-G", host], { encoding: "utf8" });
    assert.equal(ssh.status, 0, ssh.stderr);
    return new Map(
      ssh.stdout
        .split("\n")
        .map((line): [string, string] => [
          line.split(" ")[0] ?? "",
          line.split(" ").slice(1).join(" "),
        ]),
    );
  }

  it("gives each end its own user, port, key and host key, and nothing of the other's", () => {
    const text = relaySshConfig(
      [
        {
          ...GRIND,
          user: "builder",
          port: 2222,
          identityFile: "/tmp/my key",
          hostKey: "ssh-ed25519 AAAA",
        },
        { ...PROD, acceptNewHostKey: true },
      ],
      directory,
    );
    const grind = optionsFor("choiros-grind", text);
    assert.equal(grind.get("user"), "builder");
    assert.equal(grind.get("port"), "2222");
    assert.equal(grind.get("identityfile"), "/tmp/my key");
    assert.equal(grind.get("identitiesonly"), "yes");
    assert.equal(grind.get("hostkeyalias"), "nixos-promote-pinned");
    assert.equal(
      readFileSync(grind.get("userknownhostsfile") ?? "", "utf8"),
      "nixos-promote-pinned ssh-ed25519 AAAA\n",
    );
    const prod = optionsFor("choiros-prod", text);
    assert.equal(prod.get("port"), "22");
    assert.equal(prod.get("hostkeyalias"), undefined);
    assert.equal(prod.get("stricthostkeychecking"), "accept-new");
  });

  it("keeps the user's own settings for what we do not set", () => {
    const prod = optionsFor("choiros-prod", relaySshConfig([GRIND, PROD], directory));
    assert.equal(prod.get("hostname"), "192.0.2.12");
    assert.equal(prod.get("user"), "admin");
  });

  it("asks nothing and checks host keys strictly, whatever the user's settings say", () => {
    writeFileSync(
      `${directory}/user_config`,
      "Host *\n  StrictHostKeyChecking no\n  BatchMode no\n",
    );
    const prod = optionsFor("choiros-prod", relaySshConfig([GRIND, PROD], directory));
    assert.match(prod.get("stricthostkeychecking") ?? "", /^(yes|true)$/);
    assert.equal(prod.get("batchmode"), "yes");
  });

  it("pins both ends to keys of their own", () => {
    const text = relaySshConfig(
      [
        { ...GRIND, hostKey: "ssh-ed25519 AAAA" },
        { ...PROD, hostKey: "ssh-ed25519 BBBB" },
      ],
      directory,
    );
    for (const [host, key] of [
      ["choiros-grind", "AAAA"],
      ["choiros-prod", "BBBB"],
    ] as const)
      assert.match(
        readFileSync(optionsFor(host, text).get("userknownhostsfile") ?? "", "utf8"),
        new RegExp(key),
      );
  });

  it("has no block for this machine", () => {
    const text = relaySshConfig([{ kind: "local" }, PROD], directory);
    assert.deepEqual(text.match(/^Host .*/gm), ["Host choiros-prod"]);
  });

  it("is refused for a host over SSM, where Nix would take this machine's store for the host's", async () => {
    const connection = { kind: "awsSsm" as const, instanceId: "i-0123456789abcdef0" };
    const wanted = {
      ...{ connection, path: SYSTEM_A, timeoutSeconds: 60 },
      transport: { via: "relay" as const, builder: GRIND },
    };
    await assert.rejects(
      relay(
        GRIND,
        wanted,
        { paths: [], bytes: 0, free: 0 },
        { streams: 1, parts: [] },
        { progress() {}, info() {}, warn() {} },
      ),
      /\[copy\.via\] relay needs ssh to both ends, and i-0123456789abcdef0 is reached over SSM/,
    );
  });
});

describe("parts that are relayed side by side", () => {
  const parts = [
    { paths: ["a"], after: [] },
    { paths: ["b"], after: [] },
    { paths: ["c"], after: [] },
    { paths: ["d"], after: [0, 1] },
  ];

  it("begin when those before them have ended, and no more at a time than there are streams", async () => {
    const log: string[] = [];
    let running = 0;
    const copy = async ({ paths }: { readonly paths: readonly string[] }) => {
      assert.ok(++running <= 2);
      log.push(`${paths} begins`);
      await new Promise((wake) => setTimeout(wake, paths[0] === "b" ? 30 : 5));
      log.push(`${paths} ends`);
      running--;
    };
    await inOrder({ parts, streams: 2 }, copy, new AbortController());
    assert.equal(log.length, 8);
    assert.ok(log.indexOf("d begins") > log.indexOf("a ends"));
    assert.ok(log.indexOf("d begins") > log.indexOf("b ends"));
    assert.ok(log.indexOf("c begins") < log.indexOf("b ends"));
  });

  it("end together when one fails, and say why that one did", async () => {
    const ending = new AbortController();
    const ended: string[] = [];
    const copy = async ({ paths }: { readonly paths: readonly string[] }) => {
      if (paths[0] === "b") throw new Error("b lacks a signature");
      await new Promise((wake) => ending.signal.addEventListener("abort", wake));
      ended.push(`${paths}`);
      throw ending.signal.reason;
    };
    await assert.rejects(inOrder({ parts, streams: 3 }, copy, ending), /b lacks a signature/);
    assert.deepEqual(ended, ["a", "c"]);
  });
});
