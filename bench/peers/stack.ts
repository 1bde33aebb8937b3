import { REPOSITORY } from "./world.ts";

/** For how long a service may be ill before its release is taken back. */
export const HEALTH_SECONDS = 4;

const KEY = "/var/lib/nixos-promote/keys/lab-1.secret";

/** Pulumi.prod.yaml for these hosts and this release, as YAML that is JSON. */
export function stackSettings(hosts: readonly string[], rev: string): string {
  const [host = ""] = hosts;
  const config = {
    "choiros:host": { name: host, connection: { kind: "ssh", host } },
    "choiros:release": {
      ...{ from: "build", builder: { kind: "ssh", host: "choiros-grind" }, repo: REPOSITORY },
      ...{ rev, hosts, signingKeyFile: KEY, requireClean: false },
    },
    "choiros:copy": { via: "direct", to: host },
    "choiros:health": [
      { name: "hypervisor-unit", kind: "unit", unit: "hypervisor.service" },
      {
        ...{ name: "hypervisor", kind: "http", url: "http://127.0.0.1:9090/login" },
        deadlineSeconds: HEALTH_SECONDS,
      },
    ],
  };
  return `config: ${JSON.stringify(config)}\n`;
}
