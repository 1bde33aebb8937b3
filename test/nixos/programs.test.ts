// The programs' modules where they act: units of systemd on a lab host.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import type { SwitchHost } from "../switch/switch-host.ts";
import { ask } from "./nix.ts";
import { MODULES, openWithModules } from "./with-modules.ts";

const DATA = "/opt/choiros/data";

describe("the programs' modules on a host", function () {
  this.timeout(60_000);
  let lab: SwitchHost;
  let systems: Record<"hypervisor" | "sandbox" | "guests" | "newGuests", string>;

  before("a host, and systems with the programs", async () => {
    lab = await openWithModules();
    // What NixOS makes of users.users, which the lab does not.
    await lab.host.must(["useradd", "--system", "--user-group", "hypervisor"]);

    const program = (name: string, text: string) =>
      `(pkgs.run "${name}-1.0" { text = ''\n#!/bin/bash\n${text}\n''; } ''mkdir -p "$out/bin"; printf %s "$text" > "$out/bin/${name}"; chmod +x "$out/bin/${name}"'')`;
    const guest = (version: string) =>
      `(pkgs.run "guest-${version}" { } ''
        mkdir -p "$out/bin"
        printf '#!/bin/bash\\nexec -a %s sleep infinity\\n' "$out/bin/microvm-run" > "$out/bin/microvm-run"
        printf '#!/bin/bash\\nkill $MAINPID\\n' > "$out/bin/microvm-shutdown"
        chmod +x "$out"/bin/*
      '')`;
    const guests = (version: string) => `{
      imports = [ ${MODULES} ];
      nixos-promote.microvmHost.runners.follows = { package = ${guest(version)}; stateDir = "/root"; };
      nixos-promote.microvmHost.runners.stays = { package = ${guest(version)}; stateDir = "/root"; restartIfChanged = false; };
    }`;
    systems = await lab.build({
      hypervisor: `{
        imports = [ ${MODULES} ];
        choiros.hypervisor = { enable = true; package = ${program(
          "hypervisor",
          `umask 077
           echo more >> ${DATA}/hypervisor.db
           { id -un; cat "$CREDENTIALS_DIRECTORY/api_key"; echo "$FROM_FILE"; touch /etc/written 2>&1 || true; } > ${DATA}/seen
           exec sleep infinity`,
        )}; };
        choiros.secrets.services.hypervisor = {
          credentials.api_key = "/opt/choiros/secrets/api_key";
          environmentFiles = [ "/opt/choiros/secrets/platform.env" "-/opt/choiros/secrets/none.env" ];
        };
      }`,
      // A loopback address in the place of a container's, for the lab makes no containers of NixOS.
      sandbox: `{
        imports = [ ${MODULES} ];
        choiros.sandboxes.sandbox-live = {
          package = ${program("sandbox", "true")};
          hostAddress = "127.0.0.1"; localAddress = "127.0.0.2"; port = 8100; hostPort = 8080;
        };
        systemd.services.inside = {
          wantedBy = [ "multi-user.target" ];
          serviceConfig.ExecStart = "/usr/bin/python3 -m http.server --bind 127.0.0.2 --directory /etc 8100";
        };
      }`,
      guests: guests("1"),
      newGuests: guests("2"),
    });
  });

  after("the host as it was", () => lab?.close());
  afterEach(() => lab.settle());

  const eventually = async (script: string) => {
    const tried = await lab.shell(
      `for i in {1..100}; do if ${script}; then exit; fi; sleep 0.1; done; exit 1`,
    );
    assert.equal(tried.code, 0, `not within 10 s: ${script}`);
  };

  it("hypervisor: an account of its own, the data that root had written, its secrets, and no way to the rest", async () => {
    const secrets = "/opt/choiros/secrets";
    await lab.shell(
      `mkdir -p ${DATA} ${secrets}; echo old > ${DATA}/hypervisor.db; chmod 0600 ${DATA}/hypervisor.db
       umask 077; echo key-1 > ${secrets}/api_key; echo FROM_FILE=from-file > ${secrets}/platform.env
       printf '%s\\n' 'd ${DATA} 0750 hypervisor hypervisor -' 'Z ${DATA} - hypervisor hypervisor -' | systemd-tmpfiles --create -`,
    );
    await lab.must(systems.hypervisor, "switch");
    await eventually(`[[ -s ${DATA}/seen && $(wc -l < ${DATA}/seen) == 4 ]]`);
    const seen = await lab.host.must(["cat", `${DATA}/seen`]);
    assert.match(seen, /^hypervisor\nkey-1\nfrom-file\ntouch: .*Read-only file system\n$/);
    assert.equal(await lab.host.must(["cat", `${DATA}/hypervisor.db`]), "old\nmore\n");
    assert.equal(await lab.active("hypervisor.service"), "active");
  });

  it("sandbox: its port on the host's own loopback leads to where it listens", async () => {
    await lab.must(systems.sandbox, "switch");
    await eventually("curl -s -o /dev/null http://127.0.0.2:8100/hostname");
    const through = await lab.host.must(["curl", "-sS", "http://127.0.0.1:8080/hostname"]);
    assert.equal(through, await lab.host.must(["cat", "/etc/hostname"]));
    assert.equal(await lab.active("sandbox-live-port.service"), "active");
  });

  it("every unit of the examples: systemd knows all that is in it", async () => {
    const hosts = ask<Record<string, Record<string, string>>>(
      `lib.mapAttrs (_: c: c.systemd.texts) (fleet // { inherit grind prod; inside = prod.containers.sandbox-live.config; })`,
    );
    const complaints = async (units: Record<string, string>) => {
      const directory = "/var/lib/verify";
      await lab.host.must(["rm", "-rf", directory]);
      await lab.host.must(["mkdir", directory]);
      for (const [name, text] of Object.entries(units))
        await writeFile(`${lab.host.root}${directory}/${name}`, text);
      const { stderr } = await lab.shell(`systemd-analyze verify --man=no ${directory}/*`);
      // Programs are not there, and some units only in part.
      return stderr.split("\n").filter((line) => /Unknown|parse|Invalid|ignoring/i.test(line));
    };
    const wrong = await complaints({
      "wrong.service": "[Service]\nExecStart=/bin/true\nExecStat=1\n",
    });
    assert.match(wrong.join(), /Unknown key/);
    const all = Object.values(hosts).flatMap((texts) =>
      Object.entries(texts).filter(([name]) => name !== "nixos-promote-build.service"),
    );
    assert.ok(all.length > 30, `${all.length} units`);
    assert.deepEqual(await complaints(Object.fromEntries(all)), []);
  });

  describe("caddy", () => {
    const sites = (module: string) =>
      Object.entries(
        ask<Record<string, { extraConfig: string }>>(
          `(host [ { ${module} } ]).services.caddy.virtualHosts`,
        ),
      ).map(([name, { extraConfig }]) => `${name} {\n${extraConfig}\n}\n`);
    const file = "/var/lib/switch-test/Caddyfile";
    const write = (text: string) => lab.shell(`printf %s "$1" > ${file}`, text);
    const domain =
      'choiros.caddy = { enable = true; domain = "os.example.com"; apex = "example.com";';

    it("takes the sites with certificates, its own ones too", async () => {
      const cache =
        'nixos-promote.cacheServer = { enable = true; domain = "cache.example.com"; internalTls = true; };';
      await write(sites(`${domain} }; ${cache}`).join(""));
      const adapted = await lab.host.must([
        ...["caddy", "adapt", "--validate", "--adapter", "caddyfile", "--config", file],
      ]);
      for (const name of ["os.example.com", "example.com", "cache.example.com"])
        assert.ok(adapted.includes(`"${name}"`), adapted);
    });

    it("leads the public name to the hypervisor, and the bare domain there with the whole address", async () => {
      const unit = (name: string, ...argv: string[]) =>
        lab.host.must(["systemd-run", "--quiet", `--unit=${name}`, "--setenv=HOME=/tmp", ...argv]);
      await write(`{\nauto_https off\n}\n${sites(`${domain} tls = false; };`).join("")}`);
      await unit("upstream", "python3", "-m", "http.server", "--directory", "/etc", "9090");
      await unit("front", "caddy", "run", "--adapter", "caddyfile", "--config", file);
      const get = (site: string, more: string) =>
        `curl -sS -m 5 -H 'Host: ${site}' ${more} 'http://127.0.0.1/hostname?a=b'`;
      await eventually(`${get("os.example.com", "--fail -o /dev/null")} 2> /dev/null`);

      const { stdout } = await lab.shell(get("os.example.com", ""));
      assert.equal(stdout, await lab.host.must(["cat", "/etc/hostname"]));
      const moved = await lab.shell(
        get("example.com", "-o /dev/null -w '%{http_code} %{redirect_url}'"),
      );
      assert.equal(moved.stdout, "308 http://os.example.com/hostname?a=b");
      await lab.host.must(["systemctl", "stop", "upstream", "front"]);
    });
  });

  it("guests: a switch brings the new runner, unless a machine is to go on as it is", async () => {
    await lab.must(systems.guests, "switch");
    const running = async (name: string) => {
      const pid = await lab.property(`microvm-${name}.service`, "MainPID");
      return (await lab.host.must(["cat", `/proc/${pid}/cmdline`])).split("\0")[0] ?? "";
    };
    await eventually("pgrep -fc ^/nix/store/.*-guest-1/bin/microvm-run | grep -qx 2");
    await lab.must(systems.newGuests, "switch");
    await eventually("pgrep -f ^/nix/store/.*-guest-2/bin/microvm-run > /dev/null");
    assert.match(await running("follows"), /-guest-2\/bin\/microvm-run$/);
    assert.match(await running("stays"), /-guest-1\/bin\/microvm-run$/);

    await lab.must(systems.guests, "switch");
    await eventually("pgrep -fc ^/nix/store/.*-guest-1/bin/microvm-run | grep -qx 2");
    const held = await lab.host.must(["nix-store", "--query", "--requisites", systems.guests]);
    assert.match(held, /-guest-1$/m);
  });
});
