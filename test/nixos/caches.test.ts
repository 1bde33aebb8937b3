import assert from "node:assert/strict";
import { ask, refusal, unit } from "./nix.ts";

describe("the module cache-client", () => {
  const client = (more: string) =>
    `host [ { nixos-promote.cacheClient = { enable = true; ${more} }; } ]`;

  it("asks every cache, in the order of priorities, and believes their keys once each", () => {
    const settings = ask<Record<string, unknown>>(
      `(${client(`caches = {
          lan = { url = "https://cache.example.com"; publicKeys = [ "lan-1:aa=" "shared-1:cc=" ]; priority = 10; };
          away = { url = "s3://bucket?region=eu-west-1"; publicKeys = [ "shared-1:cc=" ]; priority = 30; };
          plain = { url = "https://x.cachix.org"; publicKeys = [ "x-1:bb=" ]; };
        };`)}).nix.settings`,
    );
    assert.deepEqual(settings, {
      substituters: [
        "s3://bucket?region=eu-west-1&priority=30",
        "https://cache.example.com?priority=10",
        "https://x.cachix.org",
      ],
      "trusted-public-keys": ["shared-1:cc=", "lan-1:aa=", "x-1:bb="],
      "connect-timeout": 5,
    });
  });

  it("names the file with the passwords, which must not be in the store", () => {
    const netrc = client('netrcFile = "/var/lib/netrc";');
    assert.equal(ask<string>(`(${netrc}).nix.settings.netrc-file`), "/var/lib/netrc");
    assert.match(
      refusal(`whole (${client('netrcFile = "/nix/store/abc-netrc";')})`),
      /netrcFile is in the store, where everybody may read it/,
    );
  });

  it("refuses what is no URL of a cache", () => {
    const wrong = client('caches.a = { url = "cache.example.com"; publicKeys = [ ]; };');
    assert.match(refusal(`(${wrong}).nix.settings`), /cacheClient\.caches\.a\.url' is not of type/);
  });
});

describe("the module cache-server", () => {
  const server = (more = "") =>
    `host [ { nixos-promote.cacheServer = { enable = true; domain = "cache.example.com"; ${more} }; } ]`;

  it("serves the store on the loopback, signed, behind Caddy", () => {
    const [serve, caddy, ports] = ask<[object, Record<string, { extraConfig: string }>, number[]]>(
      `let c = ${server()}; in [ c.services.nix-serve c.services.caddy.virtualHosts c.networking.firewall.allowedTCPPorts ]`,
    );
    assert.deepEqual(serve, {
      enable: true,
      bindAddress: "127.0.0.1",
      port: 5000,
      secretKeyFile: "/var/lib/nixos-promote/keys/cache.example.com-1.secret",
    });
    assert.equal(caddy["cache.example.com"]?.extraConfig, "reverse_proxy 127.0.0.1:5000");
    assert.deepEqual(ports, [80, 443]);
  });

  it("waits for its key", () => {
    const text = ask<string>(`(${server()}).systemd.texts."nix-serve.service"`);
    const key = "nixos-promote-signing-key-cache.example.com-1.service";
    assert.deepEqual(unit(text)["Unit.After"], [key]);
    assert.deepEqual(unit(text)["Unit.Requires"], [key]);
  });

  it("is harmonia if you like, with a certificate of Caddy's own", () => {
    const [harmonia, serve, caddy] = ask<[object, boolean, string]>(
      `let c = ${server('implementation = "harmonia"; internalTls = true; port = 5001;')};
       in [ c.services.harmonia.cache c.services.nix-serve.enable c.services.caddy.virtualHosts."cache.example.com".extraConfig ]`,
    );
    assert.deepEqual(harmonia, {
      enable: true,
      signKeyPaths: ["/var/lib/nixos-promote/keys/cache.example.com-1.secret"],
      settings: { bind: "127.0.0.1:5001" },
    });
    assert.equal(serve, false);
    assert.equal(caddy, "tls internal\nreverse_proxy 127.0.0.1:5001");
  });

  it("pushes to Cachix, with a token from a file", () => {
    const watch = "services.cachix-watch-store";
    const [enable, name, token] = ask<[boolean, string, string]>(
      `let c = (${server('cachix.name = "fleet";')}).${watch}; in [ c.enable c.cacheName c.cachixTokenFile ]`,
    );
    assert.deepEqual(
      [enable, name, token],
      [true, "fleet", "/var/lib/nixos-promote/keys/cachix.token"],
    );
    assert.equal(ask<boolean>(`(${server()}).${watch}.enable`), false);
  });
});
