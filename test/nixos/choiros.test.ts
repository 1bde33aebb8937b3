import assert from "node:assert/strict";
import { ask, refusal, unit } from "./nix.ts";

const APP = `choiros.hypervisor = { enable = true; package = package "hypervisor"; };`;
const app = (more = "") => `host [ { ${APP} ${more} } ]`;

describe("the module hypervisor", () => {
  it("runs the package's program from the store, as an account of its own", () => {
    const settings = unit(ask<string>(`(${app()}).systemd.texts."hypervisor.service"`));
    assert.match(
      settings["Service.ExecStart"]?.[0] ?? "",
      /^\/nix\/store\/[0-9a-z]{32}-hypervisor-1\.0\/bin\/hypervisor$/,
    );
    assert.deepEqual(settings["Service.User"], ["hypervisor"]);
    assert.deepEqual(settings["Service.ProtectSystem"], ["strict"]);
  });

  it("knows its port, its database, its desktop and the name it signs people in for", () => {
    const settings = unit(
      ask<string>(
        `(${app('choiros.hypervisor = { domain = "os.example.com"; frontend = "/nix/store/d/share"; port = 9191; environment.MORE = "a b"; };')}).systemd.texts."hypervisor.service"`,
      ),
    );
    assert.deepEqual(settings["Service.Environment"], [
      '"FRONTEND_DIST=/nix/store/d/share"',
      '"HYPERVISOR_DATABASE_URL=sqlite:/opt/choiros/data/hypervisor.db"',
      '"HYPERVISOR_PORT=9191"',
      '"MORE=a b"',
      '"WEBAUTHN_RP_ID=os.example.com"',
      '"WEBAUTHN_RP_ORIGIN=https://os.example.com"',
    ]);
  });

  it("keeps its data through a change of account", () => {
    assert.deepEqual(ask<string[]>(`(${app()}).systemd.tmpfiles.rules`), [
      "d /opt/choiros/data 0750 hypervisor hypervisor -",
      "Z /opt/choiros/data - hypervisor hypervisor -",
    ]);
  });

  it("refuses a package that is none", () => {
    const wrong = `host [ { choiros.hypervisor = { enable = true; package = "/opt/choiros/bin"; }; } ]`;
    assert.match(
      refusal(`(${wrong}).systemd.texts`),
      /`choiros\.hypervisor\.package' is not of type `package'/,
    );
  });
});

describe("the module sandbox", () => {
  const sandbox = (name: string, end: number, more = "") =>
    `choiros.sandboxes.${name} = { package = package "sandbox"; hostAddress = "10.233.${end}.1"; localAddress = "10.233.${end}.2"; ${more} };`;
  const both = `host [ { ${sandbox("sandbox-live", 1, 'role = "live"; hostPort = 8080;')} } { ${sandbox("sandbox-dev", 2, "restartIfChanged = false; autoStart = false;")} } ]`;

  it("is a container that starts at boot and is restarted when it has changed", () => {
    const containers = ask<Record<string, Record<string, unknown>>>(
      `lib.mapAttrs (_: c: removeAttrs c [ "config" ]) (${both}).containers`,
    );
    const chosen = ({
      autoStart,
      restartIfChanged,
      privateNetwork,
      localAddress,
    }: Record<string, unknown>) => [autoStart, restartIfChanged, privateNetwork, localAddress];
    assert.deepEqual(chosen(containers["sandbox-live"] ?? {}), [true, true, true, "10.233.1.2"]);
    assert.deepEqual(chosen(containers["sandbox-dev"] ?? {}), [false, false, true, "10.233.2.2"]);
  });

  it("runs the runtime inside, from the store, with an open port and the host's state version", () => {
    const [text, ports, version] = ask<[string, number[], string]>(
      `let c = (${both}).containers.sandbox-live.config;
       in [ c.systemd.texts."sandbox.service" c.networking.firewall.allowedTCPPorts c.system.stateVersion ]`,
    );
    const settings = unit(text);
    assert.match(
      settings["Service.ExecStart"]?.[0] ?? "",
      /^\/nix\/store\/.*-sandbox-1\.0\/bin\/sandbox$/,
    );
    assert.deepEqual(settings["Service.Environment"], [
      '"INSTANCE_NAME=sandbox-live"',
      '"INSTANCE_ROLE=live"',
      '"PORT=8080"',
    ]);
    assert.deepEqual([ports, version], [[8080], "25.11"]);
  });

  it("is reached from the host itself by a port on the loopback", () => {
    const texts = ask<Record<string, string>>(`(${both}).systemd.texts`);
    assert.deepEqual(unit(texts["sandbox-live-port.socket"] ?? "")["Socket.ListenStream"], [
      "127.0.0.1:8080",
    ]);
    assert.match(
      unit(texts["sandbox-live-port.service"] ?? "")["Service.ExecStart"]?.[0] ?? "",
      /systemd-socket-proxyd --exit-idle-time=5min 10\.233\.1\.2:8080$/,
    );
    assert.ok(!("sandbox-dev-port.socket" in texts));
  });

  it("refuses two in one place, and a name that is too long for a network interface", () => {
    const same = `host [ { ${sandbox("sandbox-live", 1)} ${sandbox("sandbox-dev", 1)} } ]`;
    assert.match(refusal(`whole (${same})`), /two of them have the same localAddress/);
    const long = `host [ { ${sandbox("sandbox-rehearsal", 1)} } ]`;
    assert.match(refusal(`whole (${long})`), /the name is longer than 12 characters/);
    ask(`whole (${both})`);
  });
});

describe("the module caddy", () => {
  const caddy = (more: string) => `host [ { choiros.caddy = { enable = true; ${more} }; } ]`;
  const hosts = (expression: string) =>
    ask<Record<string, { extraConfig: string }>>(`(${expression}).services.caddy.virtualHosts`);

  it("leads the public name to the hypervisor, and the bare domain there, for good", () => {
    const sites = hosts(caddy('domain = "os.example.com"; apex = "example.com";'));
    assert.equal(sites["os.example.com"]?.extraConfig, "reverse_proxy 127.0.0.1:9090");
    assert.equal(sites["example.com"]?.extraConfig, "redir https://os.example.com{uri} 308");
  });

  it("leaves TLS to what is in front of it, if told so", () => {
    const sites = hosts(caddy('domain = "os.example.com"; apex = "example.com"; tls = false;'));
    assert.deepEqual(Object.keys(sites).sort(), ["http://example.com", "http://os.example.com"]);
    assert.equal(sites["http://example.com"]?.extraConfig, "redir http://os.example.com{uri} 308");
  });

  it("refuses a name that is sent on to itself", () => {
    const loop = caddy('domain = "example.com"; apex = "example.com";');
    assert.match(refusal(`whole (${loop})`), /sent on to itself for ever/);
  });
});

describe("the module secrets", () => {
  const secrets = (more: string, modules = "") =>
    `host [ ${modules} { ${APP} choiros.secrets.services.hypervisor = { ${more} }; } ]`;
  const texts = (expression: string) =>
    unit(ask<string>(`(${expression}).systemd.texts."hypervisor.service"`));

  it("hands files to a service as credentials and environment", () => {
    const settings = texts(
      secrets(
        'credentials.openai = "/opt/secrets/openai"; environmentFiles = [ "/opt/secrets/platform.env" "-/run/extra.env" ];',
      ),
    );
    assert.deepEqual(settings["Service.LoadCredential"], ["openai:/opt/secrets/openai"]);
    assert.deepEqual(settings["Service.EnvironmentFile"], [
      "/opt/secrets/platform.env",
      "-/run/extra.env",
    ]);
  });

  it("refuses a file that a reboot would take away, unless it may be missing", () => {
    const credential = secrets('credentials.key = "/run/choiros/key";');
    const gone =
      /after a reboot these would not be there, .*: \/run\/choiros\/key\. Keep them elsewhere/;
    assert.match(refusal(`whole (${credential})`), gone);
    assert.match(
      refusal(`whole (${secrets('environmentFiles = [ "/dev/shm/a.env" ];')})`),
      /\/dev\/shm\/a\.env/,
    );
    ask(`whole (${secrets('environmentFiles = [ "-/run/extra.env" "/opt/a.env" ];')})`);
  });

  it("refuses a file in the store, also as a path of Nix's own", () => {
    const stored = secrets('credentials.key = "/nix/store/abc-key";');
    assert.match(refusal(`whole (${stored})`), /in the store, where everybody may read them/);
    assert.match(refusal(`whole (${secrets("credentials.key = ./world.nix;")})`), /is not of type/);
  });

  it("renders keys of a sops file into the service's environment", () => {
    const modules = "sops { choiros.secrets.sopsFile = /etc/secrets.yaml; }";
    const sops = secrets('sopsKeys = [ "OPENAI_API_KEY" "RESEND_API_KEY" ];', modules);
    assert.deepEqual(texts(sops)["Service.EnvironmentFile"], [
      "/run/secrets/rendered/hypervisor.env",
    ]);
    const [template, names, key] = ask<[Record<string, unknown>, string[], string]>(
      `let s = (${sops}).sops; in [ s.templates."hypervisor.env" (lib.attrNames s.secrets) s.age.keyFile ]`,
    );
    assert.equal(
      template["content"],
      "OPENAI_API_KEY=<placeholder of OPENAI_API_KEY>\nRESEND_API_KEY=<placeholder of RESEND_API_KEY>\n",
    );
    assert.deepEqual(template["restartUnits"], ["hypervisor.service"]);
    assert.deepEqual(names, ["OPENAI_API_KEY", "RESEND_API_KEY"]);
    assert.equal(key, "/var/lib/sops-nix/key.txt");
    ask(`whole (${sops})`);
  });

  it("refuses keys of sops without its module, and a host key that a reboot takes away", () => {
    const keys = 'sopsKeys = [ "OPENAI_API_KEY" ];';
    assert.match(refusal(`whole (${secrets(keys)})`), /sopsKeys needs the module of sops-nix/);
    const modules =
      'sops { choiros.secrets = { sopsFile = /etc/s.yaml; ageKeyFile = "/run/key.txt"; }; }';
    assert.match(
      refusal(`whole (${secrets(keys, modules)})`),
      /ageKeyFile, \/run\/key\.txt, has to survive a reboot/,
    );
  });
});
