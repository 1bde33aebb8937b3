// The Debian 13 base that every lab host stands on: made once, then only read.
import { join } from "node:path";
import { cached, hashOf } from "./cache.ts";
import { must, run } from "./process.ts";

const SUITE = "trixie";

const PACKAGES = [
  "systemd",
  "systemd-sysv",
  "dbus",
  "dbus-user-session",
  "libpam-systemd",
  "openssh-server",
  "nix-bin",
  "ca-certificates",
  "caddy",
  "curl",
  "git",
  "iproute2",
  "iputils-ping",
  "less",
  "procps",
  "python3",
];

/** What no test reads; leaving it out makes the base smaller and quicker to unpack. */
const LEFT_OUT = ["doc", "man", "info", "locale", "lintian", "bash-completion", "bug"];

const TRIM = join(import.meta.dirname, "base-trim.sh");

export async function debianBase(log: (line: string) => void): Promise<string> {
  const key = hashOf([TRIM], SUITE, ...PACKAGES, ...LEFT_OUT);
  return cached("lab-base", key, (directory) => bootstrap(directory, log), log);
}

async function bootstrap(directory: string, log: (line: string) => void): Promise<void> {
  log(`making the Debian ${SUITE} base of the lab hosts (once, less than a minute) ...`);
  const began = Date.now();
  const mirror = await debianMirror();
  await must(
    [
      "mmdebstrap",
      "--mode=root",
      "--variant=minbase",
      "--format=directory",
      `--include=${PACKAGES.join(",")}`,
      ...LEFT_OUT.map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
      '--aptopt=Acquire::Languages "none"',
      `--customize-hook=${TRIM} "$1"`,
      SUITE,
      directory,
      ...(mirror === undefined ? [] : [mirror]),
    ],
    { timeout: 900_000 },
  );
  log(`the base is ready (${Math.round((Date.now() - began) / 1000)} s)`);
}

/** The mirror that this machine itself uses; undefined leaves the choice to mmdebstrap. */
async function debianMirror(): Promise<string | undefined> {
  const wanted = process.env.NIXOS_PROMOTE_DEBIAN_MIRROR;
  if (wanted !== undefined && wanted !== "") return wanted;
  const format = "$(ORIGIN)\t$(LABEL)\t$(REPO_URI)";
  const ran = await run(["apt-get", "indextargets", "--format", format]).catch(() => undefined);
  const rows = (ran?.stdout ?? "").split("\n").map((line) => line.split("\t"));
  return rows.find(([origin, label]) => origin === "Debian" && label === "Debian")?.[2];
}
