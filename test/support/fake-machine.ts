import { type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout } from "node:timers/promises";

const ROOT = join(import.meta.dirname, "../..");

/** What setup may take for granted on any machine. */
const BASE_COMMANDS =
  "bash cat chmod cp dirname env flock ln ls mkdir mv rm sed sha256sum sleep tail uname".split(" ");

/** `npm ci`: makes the Node.js or the node_modules that it was asked for. */
const NPM = `while [[ $1 != --prefix ]]; do shift; done
mkdir -p "$2/node_modules/.bin"
if [[ $2 == */node-* ]]; then ln -s ${JSON.stringify(process.execPath)} "$2/node_modules/.bin/node"; fi`;

/**
 * A copy of setup/ on a machine that has only the commands it is given. Nothing is fetched: npm, apt and
 * the like are scripts that note how they were called.
 */
export class FakeMachine {
  /** A directory whose name a careless script would trip over. */
  readonly directory = join(mkdtempSync(join(tmpdir(), "setup-test-")), `a "clone" of $(it)`);
  readonly cache = join(this.directory, "cache", "nixos-promote");
  private readonly bin = join(this.directory, "bin");
  private readonly calls = join(this.directory, "calls");

  constructor() {
    mkdirSync(this.bin, { recursive: true });
    writeFileSync(this.calls, "");
    cpSync(join(ROOT, "setup"), join(this.directory, "setup"), { recursive: true });
    this.write("package.json", "{}");
    this.write("package-lock.json", "{}");
    for (const name of BASE_COMMANDS) symlinkSync(realPath(name), join(this.bin, name));
    this.has("id", 'echo "1000"');
  }

  /** One on which nothing is left to do. */
  static ready(): FakeMachine {
    const machine = new FakeMachine().withNode().withNpm().withPulumi("v3.255.0");
    machine.with("git", "ssh");
    machine.run("setup.sh", "--for", "program");
    machine.forget();
    return machine;
  }

  /** Gives it a command: a bash script, which also notes that it was called. */
  has(name: string, script: string): this {
    rmSync(join(this.bin, name), { force: true }); // it may be a link to a real command
    const note = `printf '%s\\n' "${name} $*" >>${quote(this.calls)}`;
    writeFileSync(join(this.bin, name), `#!${realPath("bash")}\n${note}\n${script}\n`);
    chmodSync(join(this.bin, name), 0o755);
    return this;
  }

  with(...names: string[]): this {
    for (const name of names) this.has(name, "");
    return this;
  }

  withNode(version?: string): this {
    if (version !== undefined) return this.has("node", `echo ${version}`);
    symlinkSync(process.execPath, join(this.bin, "node"));
    return this;
  }

  withNpm(): this {
    return this.has("npm", NPM);
  }

  withPulumi(version: string): this {
    return this.with("pulumi-language-nodejs").has("pulumi", `echo ${version}`);
  }

  /** Debian, with these packages installed. */
  withDebian(uid: number, installed: readonly string[]): this {
    const list = join(this.directory, "installed");
    writeFileSync(list, installed.map((name) => `installed ${name}\n`).join(""));
    this.has("id", `echo ${uid}`);
    this.has("dpkg-query", `cat ${quote(list)}`);
    return this.has(
      "apt-get",
      `[[ $1 == install ]] || exit 0
for name; do [[ $name == -* || $name == install ]] || echo "installed $name" >>${quote(list)}; done`,
    );
  }

  write(file: string, text: string): this {
    const path = join(this.directory, file);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, text);
    return this;
  }

  append(file: string, text: string): void {
    appendFileSync(join(this.directory, file), text);
  }

  executable(file: string): void {
    chmodSync(join(this.directory, file), 0o755);
  }

  /** Resolves when the file is there; a test that waits in vain meets its time limit. */
  async shows(file: string): Promise<void> {
    while (!existsSync(join(this.directory, file))) await setTimeout(20);
  }

  remove(file: string): void {
    rmSync(join(this.directory, file), { recursive: true });
  }

  run(script: "setup.sh" | "run.sh", ...args: string[]): SpawnSyncReturns<string> {
    return this.bash(join("setup", script), ...args);
  }

  bash(script: string, ...args: string[]): SpawnSyncReturns<string> {
    const command = [join(this.directory, script), ...args];
    return spawnSync(realPath("bash"), command, {
      ...this.options,
      encoding: "utf8",
      timeout: 15_000, // it blocks mocha, whose own limit cannot strike then
    });
  }

  start(script: "setup.sh" | "run.sh", ...args: string[]) {
    const file = join(this.directory, "setup", script);
    return spawn(realPath("bash"), [file, ...args], this.options);
  }

  /** The commands that were called since the last `forget`, with their arguments. */
  called(name: string): string[] {
    return readFileSync(this.calls, "utf8")
      .split("\n")
      .filter((line) => line.startsWith(`${name} `))
      .map((line) => line.slice(name.length + 1));
  }

  forget(): void {
    writeFileSync(this.calls, "");
  }

  discard(): void {
    rmSync(join(this.directory, ".."), { recursive: true });
  }

  private get options() {
    return {
      cwd: tmpdir(),
      env: { PATH: this.bin, HOME: this.directory, XDG_CACHE_HOME: join(this.directory, "cache") },
    };
  }
}

function realPath(command: string): string {
  const found = (process.env.PATH ?? "")
    .split(delimiter)
    .map((directory) => join(directory, command))
    .find(existsSync);
  if (found === undefined) throw new Error(`This machine has no ${command}.`);
  return found;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
