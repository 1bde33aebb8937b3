import { REPOSITORY } from "./world.ts";

/** For how long a service may be ill before its release is taken back. */
export const HEALTH_SECONDS = 4;

const KEY = "/var/lib/nixos-promote/keys/lab-1.secret";

/** Pulumi.prod.yaml for these hosts and this release, as YAML that is JSON: of one host, or of a fleet that goes all at once. */
export function stackSettings(hosts: readonly string[], rev: string): string {
  const [host = "", ...others] = hosts;
  const release = {
    ...{ from: "build", builder: { kind: "ssh", host: "choiros-grind" }, repo: REPOSITORY },
    ...{ rev, hosts, signingKeyFile: KEY, requireClean: false },
  };
  const health = [
    { name: "hypervisor-unit", kind: "unit", unit: "hypervisor.service" },
    {
      ...{ name: "hypervisor", kind: "http", url: "http://127.0.0.1:9090/login" },
      deadlineSeconds: HEALTH_SECONDS,
    },
  ];
  const which =
    others.length === 0
      ? {
          "choiros:host": { name: host, connection: { kind: "ssh", host } },
          "choiros:copy": { via: "direct", to: host },
        }
      : {
          "choiros:fleet": {
            hosts: Object.fromEntries(hosts.map((name) => [name, {}])),
            ...{ maxInFlight: hosts.length, onFailure: "rollbackAll" },
          },
          "choiros:copy": { via: "direct", maxInFlight: hosts.length },
        };
  const config = { ...which, "choiros:release": release, "choiros:health": health };
  return `config: ${JSON.stringify(config)}\n`;
}
