// A lab host on which tests build small systems from module text and switch between them.
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type Lab, type LabHost, openLab } from "../../lab/lab.ts";
import type { Ran } from "../../lab/process.ts";

const sources = fileURLToPath(new URL("../../lab/nixos/", import.meta.url));
const work = "/var/lib/switch-test";
const logFile = "/var/lib/switch-test/log";

/** What the text of a system may use besides plain modules. */
const prelude = `
  nixos = import ${work}/nixos/lib;
  pkgs = nixos.pkgsFor "x86_64-linux";
  note = text: "/bin/sh -c 'echo \${text} >> ${logFile}'";
  daemon = text: "/bin/sh -c 'echo start \${text} >> ${logFile}; exec /usr/bin/sleep infinity'";
  # A service that notes its starts, stops and reloads with its version.
  service = version: {
    wantedBy = [ "multi-user.target" ];
    serviceConfig = { ExecStart = daemon version; ExecStop = note "stop \${version}"; };
  };
  with_ = version: more: let s = service version; in s // more // {
    serviceConfig = s.serviceConfig // more.serviceConfig or { };
  };
  system = module: (nixos.nixosSystem {
    modules = [ { networking.hostName = hostName; system.nixos.label = "test"; } module ];
  }).config.system.build.toplevel;
`;

export type Action = "switch" | "test" | "boot" | "check" | "dry-activate";
export interface RunOptions {
  readonly env?: Record<string, string>;
}

export class SwitchHost {
  readonly host: LabHost;
  readonly #lab: Lab;
  #plain = "";

  private constructor(lab: Lab, host: LabHost) {
    this.#lab = lab;
    this.host = host;
  }

  /** Opens the lab, and brings a host to a system without any service of ours. */
  static async open(instance = process.env.TEST_LAB ?? "test"): Promise<SwitchHost> {
    const lab = await openLab({ instance });
    const opened = new SwitchHost(lab, lab.host("grind"));
    await opened.prepare();
    return opened;
  }

  /** A system with nothing in it; switching to it stops what a test left running. */
  get plain(): string {
    return this.#plain;
  }

  private async prepare(): Promise<void> {
    const inside = this.host.root + work;
    await rm(inside, { recursive: true, force: true });
    await mkdir(inside, { recursive: true });
    for (const part of ["lib", "switch-to-configuration"]) {
      await cp(`${sources}${part}`, `${inside}/nixos/${part}`, { recursive: true });
    }
    this.#plain = (await this.build({ plain: "{ }" })).plain;
    if ((await this.host.exec(["test", "-e", "/run/current-system"])).code !== 0) {
      await this.must(this.#plain, "boot");
      await this.host.powerCut();
      await this.host.boot();
    }
    await this.must(this.#plain, "test");
    await this.clearLog();
  }

  /** Builds systems, each given as the text of a module; their store paths by the same names. */
  async build<Name extends string>(systems: Record<Name, string>): Promise<Record<Name, string>> {
    const names = (Object.keys(systems) as Name[]).sort();
    const attributes = names.map((name) => `"${name}" = system (${systems[name]});`).join("\n");
    const expression = `let hostName = "${this.host.name}";\n${prelude}in {\n${attributes}\n}\n`;
    await writeFile(`${this.host.root}${work}/systems.nix`, expression);
    const built = await this.host.must(["nix-build", "--no-out-link", `${work}/systems.nix`]);
    const paths = built.trim().split("\n");
    const found = names.map((name, index) => [name, paths[index] ?? ""] as const);
    return Object.fromEntries(found) as Record<Name, string>;
  }

  /** Runs a system's switch-to-configuration. */
  run(toplevel: string, action: Action, { env = {} }: RunOptions = {}): Promise<Ran> {
    return this.host.exec([`${toplevel}/bin/switch-to-configuration`, action], { env });
  }

  /** Runs it and fails unless it ends with 0. */
  async must(toplevel: string, action: Action): Promise<Ran> {
    const ran = await this.run(toplevel, action);
    if (ran.code === 0) return ran;
    throw new Error(`${action} of ${toplevel} ended with ${ran.code}:\n${ran.stderr}${ran.stdout}`);
  }

  /** Runs bash with positional parameters. */
  shell(script: string, ...parameters: string[]): Promise<Ran> {
    return this.host.exec(["bash", "-c", script, "bash", ...parameters]);
  }

  /** Back to the plain system, whatever a test left: failed units, lists, a held lock. */
  async settle(): Promise<void> {
    await this.must(this.#plain, "switch");
    await this.clearLog();
  }

  /** The lines that units and hooks noted since the last `clearLog`. */
  async log(): Promise<string[]> {
    return (await readFile(this.host.root + logFile, "utf8")).split("\n").filter(Boolean);
  }

  async clearLog(): Promise<void> {
    await writeFile(this.host.root + logFile, "");
  }

  async property(unit: string, name: string): Promise<string> {
    const argv = ["systemctl", "show", "--value", "-p", name, unit];
    return (await this.host.must(argv)).trim();
  }

  active(unit: string): Promise<string> {
    return this.property(unit, "ActiveState");
  }

  async currentSystem(): Promise<string> {
    return (await this.host.must(["readlink", "-f", "/run/current-system"])).trim();
  }

  async bootDefault(): Promise<string> {
    return (await readFile(`${this.host.root}/boot/loader/default`, "utf8")).trim();
  }

  async exists(path: string): Promise<boolean> {
    return (await this.host.exec(["test", "-e", path])).code === 0;
  }

  /** Leaves the host as it was provisioned. */
  async close(): Promise<void> {
    await this.host.reset();
    await this.#lab.close();
  }
}

/** The names in a message's list: `names("stopping the following units", stderr)`. */
export function names(message: string, text: string): string[] {
  const line = text.split("\n").find((l) => l.startsWith(`${message}: `));
  return line === undefined ? [] : line.slice(message.length + 2).split(", ");
}
