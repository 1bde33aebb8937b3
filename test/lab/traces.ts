// Everything that an instance could leave on this machine, looked for without the lab's own code.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { Instance } from "../../lab/instance.ts";

/** One line per mount, process, namespace, interface, cgroup and directory of the instance; empty if it is gone. */
export function traces(name: string): string[] {
  const { dir, prefix } = new Instance(name);
  const withWord = (kind: string, lines: readonly string[], word: string) =>
    lines.filter((line) => line.includes(word)).map((line) => `${kind} ${line}`);
  return [
    ...withWord("mount", text("/proc/self/mountinfo").split("\n"), `${dir}/`),
    ...withWord("process", processes(), dir),
    ...withWord("process", processes(), prefix),
    ...withWord("firewall", firewall(), prefix),
    ...withWord("namespace", list("/run/netns"), prefix),
    ...withWord("interface", list("/sys/class/net"), prefix),
    ...["propagate", "unix-export"].flatMap((kind) =>
      withWord("nspawn", list(`/run/systemd/nspawn/${kind}`), prefix),
    ),
    ...cgroupRoots()
      .map((root) => `${root}/nixos-promote-lab/${name}`)
      .filter((path) => existsSync(path)),
    ...(existsSync(dir) ? [`directory ${dir}`] : []),
  ];
}

function firewall(): string[] {
  return (spawnSync("iptables", ["-S"], { encoding: "utf8" }).stdout ?? "").split("\n");
}

function processes(): string[] {
  const pids = list("/proc").filter(
    (entry) => /^[0-9]+$/.test(entry) && entry !== `${process.pid}`,
  );
  return pids.map((pid) => `${pid} ${text(`/proc/${pid}/cmdline`).replaceAll("\0", " ")}`);
}

function cgroupRoots(): string[] {
  const mounts = text("/proc/self/mountinfo").split("\n");
  return mounts
    .filter((line) => line.includes(" - cgroup"))
    .map((line) => line.split(" ")[4] ?? "");
}

function list(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

function text(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
