import assert from "node:assert/strict";
import fc from "fast-check";
import { connection, connectionKey, describeConnection } from "../../contract/connection.ts";
import { transport } from "../../contract/resources.ts";
import { connectionOf } from "../../contract/ways-to-host.ts";
import { connectionOfId } from "../../providers/nixos/connection-id.ts";
import { anyText, HOSTILE } from "../support/hostile.ts";
import { GRIND, PROD } from "../support/samples.ts";

const accepts = (value: unknown) => connection.safeParse(value).success;
const ssh = (more: object) => ({ kind: "ssh", host: "choiros-prod", ...more });

describe("connections", () => {
  for (const host of [
    "choiros-prod",
    "prod.example.com",
    "192.0.2.12",
    "2001:db8::12",
    "fe80::1%eth0",
  ]) {
    it(`${host} is a host`, () => assert.ok(accepts(ssh({ host }))));
  }

  for (const text of HOSTILE) {
    it(`${JSON.stringify(text)} is neither a host, a user, a host key nor a target of a copy`, () => {
      assert.equal(accepts(ssh({ host: text })), false, "host");
      assert.equal(accepts(ssh({ user: text })), false, "user");
      assert.equal(accepts(ssh({ hostKey: text })), false, "hostKey");
      assert.equal(
        transport.safeParse({ via: "direct", builder: GRIND, to: text }).success,
        false,
        "to",
      );
    });
  }

  it("what is taken as host or user has no character that ssh, Nix or a shell reads as more than text", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        if (accepts(ssh({ host: text })))
          assert.match(text, /^[A-Za-z0-9_.:[\]%][A-Za-z0-9_.:\-[\]%]*$/);
        if (accepts(ssh({ user: text }))) assert.match(text, /^[A-Za-z0-9_.][A-Za-z0-9_.-]*$/);
      }),
    );
  });

  it("is two ways only with a machine, and of either way once", () => {
    const [connectionOne, fallback] = [PROD, { kind: "local" } as const];
    assert.deepEqual(connectionOf({ connection: connectionOne }), PROD);
    const machineId = "0123456789abcdef0123456789abcdef";
    const both = connectionOf({ connection: connectionOne, fallback, machineId });
    assert.deepEqual(both, { kind: "either", primary: PROD, fallback, machineId });
    assert.ok(accepts(both));
    assert.equal(accepts(connectionOf({ connection: connectionOne, fallback })), false);
    assert.equal(accepts({ ...both, fallback: both }), false);
    assert.equal(describeConnection(both), "choiros-prod");
  });

  it("a host key is one public key and nothing after it", () => {
    const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample";
    assert.ok(accepts(ssh({ hostKey: key })));
    assert.equal(accepts(ssh({ hostKey: `${key}\n* ssh-ed25519 AAAA` })), false);
    assert.equal(accepts(ssh({ hostKey: `@cert-authority ${key}` })), false);
    assert.equal(accepts(ssh({ hostKey: `${key} a comment` })), false);
  });

  it("a key file is an absolute path; spaces are fine, control characters and options are not", () => {
    assert.ok(accepts(ssh({ identityFile: "/home/me/my keys/id" })));
    assert.ok(accepts(ssh({ identityFile: "~/.ssh/id" })));
    for (const identityFile of ["id_ed25519", "-oProxyCommand=id", "/tmp/a\nProxyCommand id", ""])
      assert.equal(accepts(ssh({ identityFile })), false, identityFile);
  });

  it("numbers are bounded, unknown fields and unknown kinds are refused", () => {
    for (const port of [0, 65536, 1.5, "22"])
      assert.equal(accepts(ssh({ port })), false, String(port));
    assert.equal(accepts(ssh({ connectTimeoutSeconds: 0 })), false);
    assert.equal(accepts(ssh({ password: "secret" })), false);
    assert.equal(accepts({ kind: "telnet", host: "a" }), false);
    assert.equal(accepts({ kind: "local", host: "a" }), false);
    assert.ok(accepts({ kind: "local" }));
  });

  it("messages call a host by its user and name, and this machine so", () => {
    assert.equal(
      describeConnection({ kind: "ssh", host: "prod", user: "root", port: 22 }),
      "root@prod",
    );
    assert.equal(describeConnection({ kind: "ssh", host: "prod" }), "prod");
    assert.equal(describeConnection({ kind: "local" }), "this machine");
  });
});

describe("the id that `pulumi import` is given", () => {
  const table: [string, object][] = [
    ["local", { kind: "local" }],
    ["choiros-prod", { kind: "ssh", host: "choiros-prod" }],
    ["root@192.0.2.12", { kind: "ssh", host: "192.0.2.12", user: "root" }],
    [
      "ssh://root@prod.example.com:2222",
      { kind: "ssh", host: "prod.example.com", user: "root", port: 2222 },
    ],
    ["ssh://prod", { kind: "ssh", host: "prod" }],
    ["ssm://i-0123456789abcdef0", { kind: "awsSsm", instanceId: "i-0123456789abcdef0" }],
    [
      "ssm://mi-0123456789abcdef0@eu-west-1",
      { kind: "awsSsm", instanceId: "mi-0123456789abcdef0", region: "eu-west-1" },
    ],
  ];
  for (const [id, expected] of table) {
    it(`${id} leads to a connection`, () => assert.deepEqual(connectionOfId(id), expected));
  }

  for (const id of [
    "",
    "a b",
    "-oProxyCommand=id",
    "ssh://-oProxyCommand=id",
    "https://prod",
    "prod:0",
    "a@b@c",
    "ssm://prod",
    "ssm://i-0123456789abcdef0@",
    "ssm://i-0123456789abcdef0@eu-west-1@x",
  ]) {
    it(`${JSON.stringify(id)} is refused, and the message says what an id looks like`, () => {
      assert.throws(() => connectionOfId(id), /\[id\] .* is no host: give an ssh alias/s);
    });
  }
});

describe("the key of a connection", () => {
  it("does not depend on the order of its settings, which Pulumi's state changes", () => {
    assert.equal(
      connectionKey({ kind: "ssh", host: "prod", user: "root" }),
      connectionKey({ user: "root", host: "prod", kind: "ssh" }),
    );
  });

  it("tells connections apart", () => {
    const keys = [
      connectionKey({ kind: "local" }),
      connectionKey({ kind: "ssh", host: "prod" }),
      connectionKey({ kind: "ssh", host: "prod", user: "root" }),
      connectionKey({ kind: "ssh", host: "prod", port: 22 }),
    ];
    assert.equal(new Set(keys).size, keys.length);
  });
});
