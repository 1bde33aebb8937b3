// One bridge per instance, one network namespace per host; the operator sits on the bridge at .1.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { type HostRecord, Instance } from "./instance.ts";
import { LabError, must, run } from "./process.ts";

/** Where the instances are if nothing else is there: documentation networks that no real host has. */
const PREFERRED: Record<string, string> = {
  hand: "192.0.2",
  demo: "198.51.100",
  test: "203.0.113",
};

/** A /24 that this machine does not use: the instance's usual one, else one of the benchmark network 198.18.0.0/15. */
export async function chooseSubnet(name: string): Promise<string> {
  const taken = await takenNetworks();
  const usual = PREFERRED[name];
  const others = Array.from(
    { length: 511 },
    (_, i) => `198.${18 + ((i + 1) >> 8)}.${(i + 1) & 255}`,
  );
  const start = [...name].reduce(
    (sum, letter) => (sum * 31 + letter.charCodeAt(0)) % others.length,
    7,
  );
  const ordered = [...others.slice(start), ...others.slice(0, start)];
  const free = [...(usual === undefined ? [] : [usual]), ...ordered].find(
    (subnet) => !taken.some((network) => overlaps(network, subnet)),
  );
  if (free !== undefined) return free;
  throw new LabError(
    "No /24 of 198.18.0.0/15 is free on this machine.",
    "Take down labs: npm run lab -- down --all",
  );
}

export async function createBridge(instance: Instance, subnet: string): Promise<void> {
  if (existsSync(`/sys/class/net/${instance.bridge}`)) return;
  await firewall("-I", instance);
  await ipBatch([
    // An address of its own: else it takes one of its ports', and another one when that host is switched off.
    `link add ${instance.bridge} address ${macAddress(`${subnet}.1`)} type bridge forward_delay 0`,
    `addr add ${subnet}.1/24 dev ${instance.bridge}`,
    `link set ${instance.bridge} up`,
  ]);
}

/** The host's namespace with eth0 on the bridge; if it is there already, plugged in again. */
export async function connectHost(instance: Instance, host: HostRecord): Promise<void> {
  const netns = instance.netns(host.name);
  const veth = vethName(instance, host);
  if (existsSync(`/run/netns/${netns}`) && existsSync(`/sys/class/net/${veth}`))
    return restore(instance, host);
  await disconnectHost(instance, host);
  await ipBatch([
    `netns add ${netns}`,
    `link add ${veth} type veth peer name eth0 address ${macAddress(host.address)} netns ${netns}`,
    `link set ${veth} master ${instance.bridge} up`,
  ]);
  await ipBatch(
    [`link set lo up`, `addr add ${host.address}/24 dev eth0`, `link set eth0 up`],
    netns,
  );
}

/** From now on every packet to and from the host is lost, silently, as when a router dies. */
export async function cut(instance: Instance, host: HostRecord): Promise<void> {
  await must(["ip", "link", "set", vethName(instance, host), "nomaster"]);
}

export async function restore(instance: Instance, host: HostRecord): Promise<void> {
  await must(["ip", "link", "set", vethName(instance, host), "master", instance.bridge]);
}

/** Interface and namespace go. Peers get no sign of it, not even the resets of connections that die later. */
export async function disconnectHost(instance: Instance, host: HostRecord): Promise<void> {
  await run(["ip", "link", "del", vethName(instance, host)]);
  await run(["ip", "netns", "del", instance.netns(host.name)]);
}

/** Every interface and namespace with the instance's prefix, whoever made it. */
export async function removeNetwork(instance: Instance): Promise<void> {
  const links = readdirSync("/sys/class/net").filter((name) => name.startsWith(instance.prefix));
  for (const link of links) await run(["ip", "link", "del", link]);
  const spaces = existsSync("/run/netns") ? readdirSync("/run/netns") : [];
  for (const netns of spaces.filter((name) => name.startsWith(`${instance.prefix}-`))) {
    await run(["ip", "netns", "del", netns]);
  }
  await firewall("-D", instance);
}

/** Where bridged packets pass the firewall and forwarding is off, as Docker leaves it, hosts could not reach each other. */
async function firewall(action: "-I" | "-D", instance: Instance): Promise<void> {
  const filtered = readFileIfAny("/proc/sys/net/bridge/bridge-nf-call-iptables").trim() === "1";
  if (!filtered || (await run(["sh", "-c", "command -v iptables"])).code !== 0) return;
  const rule = ["FORWARD", "-i", instance.bridge, "-o", instance.bridge, "-j", "ACCEPT"];
  const there = (await run(["iptables", "-w", "-C", ...rule])).code === 0;
  if (there === (action === "-D")) await run(["iptables", "-w", action, ...rule]);
}

function readFileIfAny(file: string): string {
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}

export function vethName(instance: Instance, host: HostRecord): string {
  return `${instance.prefix}-${host.address.split(".")[3]}`;
}

/** The same over reboots, as of a real card: neighbours go on with the address that they have learnt. */
function macAddress(address: string): string {
  const bytes = address.split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
  return `02:00:${bytes.join(":")}`;
}

async function ipBatch(lines: readonly string[], netns?: string): Promise<void> {
  const inside = netns === undefined ? [] : ["-n", netns];
  await must(["ip", ...inside, "-batch", "-"], { input: `${lines.join("\n")}\n` });
}

async function takenNetworks(): Promise<string[]> {
  const routes = JSON.parse(await must(["ip", "-4", "-json", "route", "show", "table", "all"])) as {
    dst?: string;
  }[];
  const ours = Instance.all().map((instance) => `${instance.read()?.subnet ?? "0.0.0"}.0/24`);
  return [...routes.map((route) => route.dst ?? "default"), ...ours];
}

/** Does `network` (an address, a CIDR, or "default") share addresses with the /24 `subnet`? A default route does not count. */
export function overlaps(network: string, subnet: string): boolean {
  const [address = "", bits = "32"] = network.split("/");
  if (!/^[0-9.]+$/.test(address) || bits === "0") return false;
  const shared = Math.min(Number(bits), 24);
  const mask = shared === 0 ? 0 : (-1 << (32 - shared)) >>> 0;
  return (toNumber(address) & mask) >>> 0 === (toNumber(`${subnet}.0`) & mask) >>> 0;
}

function toNumber(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}
