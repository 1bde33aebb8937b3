import { readFileSync, writeFileSync } from "node:fs";
import type { Connection } from "../contract/connection.ts";
import type { Transport } from "../contract/resources.ts";
import { likeNixos, manySmall, onePath, type Path, put } from "../lab/closures.ts";
import { type Lab, type LabHost, openLab } from "../lab/lab.ts";
import { copyClosure } from "../providers/nixos/copy.ts";
import { silent } from "../providers/nixos/engine.ts";
import { delayed } from "./delay.ts";
import { type Costs, listed, measured, type Run, runText } from "./processors.ts";
import { median, type Report, ratios } from "./report.ts";

const REFERENCE = "nix copy ssh-ng";
const CACHE = "/srv/cache";
const PORT = 8088;
const BUILDER: Connection = { kind: "ssh", host: "choiros-grind" };
const LIMIT_SECONDS = 600;

export interface CopyOptions {
  /** Of the bytes and of the number of paths. */
  readonly scale: number;
  readonly rounds: number;
  /** Milliseconds that the second network adds to a round trip. */
  readonly delay: number;
  /** Part of the name of a case; the others are left out. */
  readonly only: string;
  /** Beside `nix copy --to ssh-ng`; empty: all. */
  readonly ways: readonly string[];
}

interface Case {
  readonly name: string;
  readonly closure: readonly Path[];
  /** The host has it already. */
  readonly there?: boolean;
}

function cases(scale: number): Case[] {
  const small = manySmall(Math.round(2000 * scale));
  return [
    { name: "1 path, 500 MB", closure: onePath(500e6 * scale) },
    { name: "2000 small paths", closure: small },
    {
      name: "NixOS, 1000 paths, 1.5 GB",
      closure: likeNixos(Math.round(1000 * scale), 1.5e9 * scale),
    },
    { name: "0 missing of 2000", closure: small, there: true },
  ];
}

/** One network between builder and host: as it is, or longer. */
interface Network {
  readonly name: string;
  /** By which builder and operator reach the host. */
  readonly alias: string;
  readonly cache: string;
}

/** Our ways to copy a closure beside plain Nix and `tar | ssh | tar`, on the same hosts, in turn. */
export async function copy(options: CopyOptions): Promise<Report> {
  const lab = await openLab({ instance: "bench-copy", log: console.log });
  const [builder, host] = [lab.host("grind"), lab.host("prod")];
  process.env["NIXOS_PROMOTE_SSH_CONFIG"] = `${lab.dir}/ssh_config`;
  try {
    const { networks, close } = await bothNetworks(lab, options.delay);
    await serveCache(builder);
    const series: Costs[] = [];
    for (const each of cases(options.scale)) {
      if (!each.name.includes(options.only)) continue;
      const paths = await put(builder, each.name.replace(/[^a-zA-Z0-9]+/g, "-"), each.closure);
      const top = paths.at(-1) ?? "";
      if (!each.there)
        await builder.must(["nix", "copy", "--to", `file://${CACHE}?compression=zstd`, top], {
          timeout: 900_000,
        });
      for (const network of networks) {
        const ways = waysOf(lab, network, top);
        const wanted = Object.keys(ways).filter((way) => isWanted(way, each, options));
        const found = Object.fromEntries(wanted.map((name) => [name, [] as Run[]]));
        for (let round = 0; round < options.rounds; round++)
          for (const name of wanted) {
            // Two round trips for each path.
            if (name === "nix copy ssh" && network.alias !== host.name && round > 0) continue;
            if (!each.there) await empty(host);
            else if (round === 0 && name === wanted[0]) await ways[REFERENCE]?.();
            const run = await measured([builder, host], ways[name]);
            found[name]?.push(run);
            if (name !== "tar, ssh, tar") await requireThere(host, paths);
            console.error(`${each.name}, ${network.name}: ${name} ${runText(run)}`);
          }
        for (const [name, runs] of Object.entries(found))
          series.push({ name: `${each.name}, ${network.name}: ${name}`, ...listed(runs) });
      }
      await empty(host);
      await builder.must(["rm", "-rf", CACHE]);
    }
    await close();
    return { series, summary: summarise(series, options) };
  } finally {
    await lab.close();
  }
}

function isWanted(way: string, { there }: Case, { ways }: CopyOptions): boolean {
  if (way === REFERENCE) return true;
  return (
    (!there || !["tar, ssh, tar", "relay", "cache"].includes(way)) &&
    (ways.length === 0 || ways.includes(way))
  );
}

type Way = () => Promise<void>;

function waysOf(lab: Lab, network: Network, top: string): Record<string, Way> {
  const builder = lab.host("grind");
  const onBuilder = async (...argv: string[]) => {
    await builder.must(argv, { timeout: LIMIT_SECONDS * 1000 });
  };
  const ours = (transport: Transport) => () =>
    copyClosure(
      {
        ...{ connection: { kind: "ssh", host: network.alias }, path: top },
        ...{ transport, timeoutSeconds: LIMIT_SECONDS },
      },
      silent,
    );
  const push = `file://${CACHE}?compression=zstd`;
  return {
    [REFERENCE]: () => onBuilder("nix", "copy", "--to", `ssh-ng://${network.alias}`, top),
    "nix copy ssh": () => onBuilder("nix", "copy", "--to", `ssh://${network.alias}`, top),
    "tar, ssh, tar": () => onBuilder("bash", "-euc", TAR, "bash", top, network.alias),
    direct: ours({ via: "direct", builder: BUILDER, to: network.alias }),
    relay: ours({ via: "relay", builder: BUILDER }),
    cache: ours({ via: "cache", builder: BUILDER, caches: [{ pull: network.cache, push }] }),
  };
}

const TAR = `set -o pipefail
  nix-store --query --requisites "$1" | tar -C / -P -cf - -T - | ssh "$2" 'mkdir -p /nix/limit && tar -C /nix/limit -xf -'`;

/** The host as it is, and behind a delay; builder and operator know it by another name then. */
async function bothNetworks(
  lab: Lab,
  roundTrip: number,
): Promise<{ networks: Network[]; close(): Promise<void> }> {
  const [builder, host] = [lab.host("grind"), lab.host("prod")];
  const gateway = builder.address.replace(/\.\d+$/, ".1");
  const behind = (to: string, port: number) =>
    delayed({ listen: { host: gateway }, to: { host: to, port }, roundTrip });
  const proxies = [await behind(host.address, 22), await behind(builder.address, PORT)] as const;
  const far = `${host.name}-far`;
  const block = `Host ${far}\n  HostName ${gateway}\n  Port ${proxies[0].port}\n  HostKeyAlias ${host.name}\n`;
  for (const file of [`${lab.dir}/ssh_config`, `${builder.root}/root/.ssh/config`])
    writeFileSync(file, block + readFileSync(file, "utf8"));
  return {
    networks: [
      { name: "0 ms", alias: host.name, cache: `http://${builder.address}:${PORT}` },
      { name: `${roundTrip} ms`, alias: far, cache: `http://${gateway}:${proxies[1].port}` },
    ],
    async close() {
      for (const proxy of proxies) await proxy.close();
    },
  };
}

async function serveCache(builder: LabHost): Promise<void> {
  await builder.must(["mkdir", "-p", CACHE]);
  const unit = ["systemd-run", "--quiet", "--unit=cache", "--service-type=exec"];
  await builder.must([...unit, "caddy", "file-server", "--root", CACHE, "--listen", `:${PORT}`]);
}

/** Nothing of a closure is there, and nothing of the last copy waits to be written. */
async function empty(host: LabHost): Promise<void> {
  const script = "rm -rf /nix/limit; nix-collect-garbage --quiet && sync";
  await host.must(["bash", "-euc", script], { timeout: 300_000 });
}

async function requireThere(host: LabHost, paths: readonly string[]): Promise<void> {
  await host.must(["nix-store", "--check-validity", ...paths]);
}

/** `ours` and `ratio` are of the closure like NixOS's over the long network, straight from the builder. */
function summarise(
  series: readonly Costs[],
  { scale, rounds, delay }: CopyOptions,
): Report["summary"] {
  const seconds = (row: string, way: string) =>
    series.find(({ name }) => name === `${row}: ${way}`)?.seconds ?? [];
  const rows = [...new Set(series.map(({ name }) => name.replace(/: .*/, "")))];
  const figures = rows.map((row) => {
    const ways = series.filter(({ name }) => name.startsWith(`${row}: `));
    const told = ways.map((way) => {
      const ratio = median(ratios(way.seconds, seconds(row, REFERENCE)));
      return [
        way.name.slice(row.length + 2),
        {
          ...{ seconds: round(median(way.seconds)), ratio: round(ratio) },
          ...{ cpu: round(median(way.cpu)), load: round(median(way.load)) },
        },
      ];
    });
    return [row, Object.fromEntries(told)];
  });
  const row = rows.findLast((name) => name.startsWith("NixOS")) ?? rows.at(-1) ?? "";
  const way =
    "direct" in (figures.find(([name]) => name === row)?.[1] ?? {}) ? "direct" : lastWay(series);
  const [ours, reference] = [seconds(row, way), seconds(row, REFERENCE)];
  return {
    ...{ name: "copy", ours: round(median(ours)), reference: round(median(reference)) },
    ...{ ratio: round(median(ratios(ours, reference))), of: row, scale, rounds, delay },
    cases: Object.fromEntries(figures),
  };
}

/** Where our first one was not asked for. */
function lastWay(series: readonly Costs[]): string {
  return series.at(-1)?.name.replace(/.*: /, "") ?? "";
}

function round(value: number): number {
  return Number(value.toFixed(3));
}
