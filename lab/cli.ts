// npm run lab -- COMMAND: the lab by hand.
import { spawn } from "node:child_process";
import { parseArgs } from "node:util";
import { environment, exportLines } from "./env.ts";
import { HELP } from "./help.ts";
import { hostName, Instance, type InstanceRecord } from "./instance.ts";
import { Lab, openLab } from "./lab.ts";
import { isAlive, LabError, useUsualUmask } from "./process.ts";
import { statusOf, statusText } from "./status.ts";
import { down, downIfOwnedBy } from "./up.ts";

class UsageError extends LabError {}

interface Call {
  readonly instance: Instance;
  readonly args: readonly string[];
  readonly flags: {
    hosts?: string;
    ssm?: boolean;
    json?: boolean;
    all?: boolean;
    abandoned?: boolean;
    owner?: string;
  };
  readonly log: (line: string) => void;
}

const COMMANDS: Record<string, (call: Call) => Promise<number>> = {
  async up({ instance, flags, log }) {
    const began = Date.now();
    const lab = await openLab({
      instance: instance.name,
      hosts: hostNames(flags.hosts),
      keep: true,
      ssm: flags.ssm === true,
      log,
    });
    log(`the lab "${lab.instance}" is up (${((Date.now() - began) / 1000).toFixed(1)} s)\n`);
    log(await statusText(instance));
    log(whatNext(instance));
    return 0;
  },

  async down({ instance, flags, log }) {
    if (flags.all === true || flags.abandoned === true) return downAll(flags.all === true, log);
    if (flags.owner === undefined) await down(instance);
    else await downIfOwnedBy(Number(flags.owner), instance);
    log(`the lab "${instance.name}" is gone`);
    return 0;
  },

  async status({ instance, flags }) {
    const status = await statusOf(instance);
    console.log(flags.json === true ? JSON.stringify(status, null, 2) : await statusText(instance));
    return status.up ? 0 : 3;
  },

  async ssh({ instance, args }) {
    const [name, ...command] = args;
    if (name === undefined)
      throw new UsageError("ssh needs a host.", "For example: npm run lab -- ssh prod");
    const host = existing(instance).host(name);
    return inherit(["ssh", "-F", instance.path("ssh_config"), host.name, ...command]);
  },

  async reset({ instance, args, log }) {
    const lab = existing(instance);
    const hosts = args.length === 0 ? lab.hosts : args.map((name) => lab.host(name));
    for (const host of hosts) {
      await host.reset();
      log(`${host.name} is as it was when the lab was new`);
    }
    return 0;
  },

  async "power-cut"({ instance, args, log }) {
    const [name] = args;
    if (name === undefined) throw new UsageError("power-cut needs a host.");
    const host = existing(instance).host(name);
    await host.powerCut();
    log(`${host.name}: power is off; booting ...`);
    await host.boot();
    log(`${host.name} answers again`);
    return 0;
  },

  async env({ instance }) {
    recordOf(instance);
    process.stdout.write(exportLines(environment(instance)));
    return 0;
  },
};

/** Every instance that no running process works with; those kept on purpose only if `kept`. */
async function downAll(kept: boolean, log: (line: string) => void): Promise<number> {
  for (const instance of Instance.all()) {
    const owner = instance.read()?.owner;
    if (owner === null && !kept) continue;
    if (owner && isAlive(owner)) {
      log(
        `the lab "${instance.name}" belongs to process ${owner.pid}, which is running: left as it is`,
      );
      log(`  to remove it anyway: npm run lab -- down --instance ${instance.name}`);
      continue;
    }
    await down(instance);
    log(`the lab "${instance.name}" is gone`);
  }
  return 0;
}

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parse(argv);
  useUsualUmask();
  const [command, ...args] = positionals;
  if (values.help === true || command === undefined || command === "help") {
    console.log(HELP);
    return values.help === true || command === "help" ? 0 : 2;
  }
  const run = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (run === undefined)
    throw new UsageError(`There is no command "${command}".`, "npm run lab -- --help");
  const instance = new Instance(values.instance ?? (process.env.NIXOS_PROMOTE_LAB || "hand"));
  const log = values.quiet === true ? () => {} : (line: string) => console.error(line);
  return run({ instance, args, flags: values, log });
}

function parse(argv: readonly string[]) {
  const end = remoteCommandStart(argv);
  try {
    return parseArgs({
      args: [...argv.slice(0, end), ...(end < argv.length ? ["--"] : []), ...argv.slice(end)],
      allowPositionals: true,
      options: {
        instance: { type: "string" },
        hosts: { type: "string" },
        ssm: { type: "boolean" },
        json: { type: "boolean" },
        all: { type: "boolean" },
        abandoned: { type: "boolean" },
        owner: { type: "string" },
        quiet: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError(
      error instanceof Error ? error.message : String(error),
      "npm run lab -- --help",
    );
  }
}

/** What follows the host of `ssh` belongs to the remote command, dashes and all, without a `--` too. */
function remoteCommandStart(argv: readonly string[]): number {
  const ssh = argv.indexOf("ssh");
  if (ssh < 0 || argv.includes("--")) return argv.length;
  const skipInstance = (at: number) => (argv[at] === "--instance" ? at + 2 : at);
  const start = skipInstance(skipInstance(ssh + 1) + 1);
  return Math.min(start, argv.length);
}

/** `3` means grind, prod and one more. */
function hostNames(text: string | undefined): string[] {
  if (text === undefined) return ["grind", "prod"];
  if (!/^[0-9]+$/.test(text)) return text.split(",").map(hostName);
  const count = Number(text);
  if (count < 1 || count > 200) throw new UsageError(`--hosts ${text}: a lab has 1 to 200 hosts.`);
  return Array.from({ length: count }, (_, i) => ["grind", "prod"][i] ?? `host${i + 1}`);
}

function recordOf(instance: Instance): InstanceRecord {
  const record = instance.read();
  if (record !== undefined) return record;
  throw new LabError(
    `The lab "${instance.name}" is not up.`,
    `npm run lab -- up --instance ${instance.name}`,
  );
}

function existing(instance: Instance): Lab {
  return new Lab(instance, recordOf(instance));
}

function inherit(argv: readonly string[]): Promise<number> {
  const [command = "", ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: "inherit" });
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
}

function whatNext(instance: Instance): string {
  const flag = instance.name === "hand" ? "" : ` --instance ${instance.name}`;
  return `
Try next:
  eval "$(npm run -s lab -- env${flag})"     # this shell now works on the lab
  pulumi stack init grind; pulumi stack init prod   # once
  pulumi up --stack grind                 # build and activate on the builder
  pulumi preview --stack prod             # what a promotion would change
  pulumi up --stack prod                  # do it
  npm run lab -- ssh prod${flag}          # look around
  npm run lab -- down${flag}              # remove it all`;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(error instanceof LabError ? `lab: ${error.message}` : error);
    if (error instanceof LabError && error.hint !== undefined) console.error(`  ${error.hint}`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  },
);
