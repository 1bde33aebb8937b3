// A proxy of one's own on a lab host: Debian's Caddy, on a port and with an admin address beside those of the release's.
import type { LabHost } from "../../lab/lab.ts";

export const FILE = "/var/lib/nixos-promote/traffic/active.caddy";
export const UNIT = "front.service";
export const PORT = 8080;

const CADDYFILE = `{
  admin localhost:2020
  auto_https off
}
http://:${PORT} {
  reverse_proxy {
    import ${FILE}*
    header_down X-Served-By {http.reverse_proxy.upstream.hostport}
  }
}
`;

const SERVICE = `[Service]
Type=notify
Environment=HOME=/root
ExecStart=/usr/bin/caddy run --config /etc/front/Caddyfile --adapter caddyfile
ExecReload=/usr/bin/caddy reload --config /etc/front/Caddyfile --adapter caddyfile --address localhost:2020
`;

export async function installProxy(host: LabHost): Promise<void> {
  await write(host, "/etc/front/Caddyfile", CADDYFILE);
  await write(host, `/etc/systemd/system/${UNIT}`, SERVICE);
  await host.must(["systemctl", "daemon-reload"]);
  await host.must(["systemctl", "restart", UNIT]);
}

export async function write(host: LabHost, path: string, text: string): Promise<void> {
  const script = 'mkdir -p "${1%/*}" && cat >"$1"';
  await host.must(["sh", "-c", script, "sh", path], { input: text });
}
