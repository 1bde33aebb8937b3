// The host in the middle of a fleet: nixos-promote is on it, and it runs the steps of GitHub's jobs as its runner would.
import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { environment } from "../../lab/env.ts";
import { Instance } from "../../lab/instance.ts";
import type { LabHost } from "../../lab/lab.ts";
import type { Runner, Step, StepEnded } from "../support/actions.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const EXAMPLE = `${ROOT}nixos/examples/fleet/`;
/** Of the runner: its workspace, and what outlives a job. */
const HOME = "/var/lib/github-runner";
const WORK = `${HOME}/work`;
const PROGRAM = [
  ...["Pulumi.yaml", "start.ts", "index.ts", "settings.ts", "fleet-settings.ts", "package.json"],
  ...["cli", "components", "contract", "host", "providers"],
];
/** What no stack of a fleet loads. */
const LEFT_OUT =
  /node_modules\/(@biomejs|@opentelemetry\/.*\/esm|@ovhcloud|@pulumi\/aws|typescript)(\/|$)/;

export interface Event {
  readonly sha: string;
  /** Called before each job. */
  readonly onJob?: (id: string, host: string | undefined) => Promise<void>;
}

export class Bastion {
  readonly host: LabHost;
  readonly hub: string;
  /** What the service of the runner is made with, as its module has it. */
  private readonly service: Readonly<Record<string, unknown>>;

  constructor(host: LabHost, hub: string, service: Readonly<Record<string, unknown>>) {
    this.host = host;
    this.hub = hub;
    this.service = service;
  }

  /** Node.js, Pulumi and nixos-promote, as an account that has no other right than to use the deploy key. */
  async install(): Promise<void> {
    const { root } = this.host;
    const path = (environment(new Instance("any"))["PATH"] ?? "").split(":");
    mkdirSync(join(root, WORK), { recursive: true });
    cpSync(process.execPath, join(root, "usr/local/bin/node"));
    const tools = dirname(toolIn(path));
    for (const name of readdirSync(tools))
      cpSync(join(tools, name), join(root, "usr/local/bin", name));
    // A language host that setup built has its program there; one that Pulumi ships has not.
    if (existsSync(join(tools, "../libexec")))
      cpSync(join(tools, "../libexec"), join(root, "usr/local/libexec"), { recursive: true });
    // What npm would make of the command that package.json names.
    const npx =
      '#!/bin/sh\n[ "$1" = promote ] && shift && exec node --disable-warning=ExperimentalWarning cli/main.ts "$@"\n';
    writeFileSync(join(root, "usr/local/bin/npx"), npx, { mode: 0o755 });
    for (const name of PROGRAM)
      cpSync(`${ROOT}${name}`, join(root, WORK, name), { recursive: true });
    cpSync(`${ROOT}node_modules`, join(root, WORK, "node_modules"), {
      recursive: true,
      filter: (file) => !LEFT_OUT.test(file),
    });
    await this.host.must([
      "useradd",
      "--system",
      "--home-dir",
      HOME,
      "--shell",
      "/bin/bash",
      "github-runner",
    ]);
    for (const name of ["state", "stacks"]) mkdirSync(join(root, HOME, name));
    await this.host.must(["chown", "--recursive", "github-runner:", HOME]);
  }

  /** What an operator does once for each stack. */
  async initStacks(stacks: Readonly<Record<string, string>>): Promise<void> {
    for (const [stack, text] of Object.entries(stacks)) {
      await this.host.must(["tee", `${WORK}/Pulumi.${stack}.yaml`], { input: text });
      await this.host.must(["chown", "github-runner:", `${WORK}/Pulumi.${stack}.yaml`]);
      const { code, output } = await this.run(`pulumi stack init ${stack}`, this.values);
      if (code !== 0) throw new Error(`pulumi stack init ${stack} ended with ${code}: ${output}`);
    }
    // As they are committed: with the salt of the passphrase.
    await this.host.must(["bash", "-c", `cp -p ${WORK}/Pulumi.*.yaml ${HOME}/stacks/`]);
  }

  private get values(): Record<string, string> {
    return {
      PULUMI_BACKEND_URL: `file://${HOME}/state`,
      PULUMI_CONFIG_PASSPHRASE: "of the fleet",
    };
  }

  /** What GitHub's runner does for a push. */
  runner({ sha, onJob }: Event): Runner {
    const carried: Record<string, string> = {};
    const values = Object.entries(this.values);
    return {
      values: Object.fromEntries(
        values.flatMap(([name, value]) => [
          [`vars.${name}`, value],
          [`secrets.${name}`, value],
        ]),
      ),
      job: async (id, host) => {
        await onJob?.(id, host);
        for (const name of Object.keys(carried)) delete carried[name];
        const fresh = `rm -rf ${WORK}/fleet ${HOME}/temp; mkdir ${HOME}/temp; cp -p ${HOME}/stacks/* ${WORK}/`;
        await this.host.must([
          "setpriv",
          "--reuid=github-runner",
          "--clear-groups",
          "--regid=github-runner",
          "bash",
          "-ec",
          fresh,
        ]);
      },
      step: async (step, env) => {
        const script = scriptOf(step, this.hub);
        const github = {
          GITHUB_SHA: sha,
          GITHUB_ENV: `${HOME}/temp/env`,
          GITHUB_STEP_SUMMARY: `${HOME}/temp/summary`,
          RUNNER_TEMP: `${HOME}/temp`,
        };
        const ended = await this.run(script, { ...env, ...github, ...carried });
        const { stdout } = await this.host.exec(["cat", github.GITHUB_ENV]);
        for (const line of stdout.split("\n").filter(Boolean)) {
          const [name = "", ...value] = line.split("=");
          carried[name] = value.join("=");
        }
        return ended;
      },
    };
  }

  /** A step, in a service such as the runner's: its account, its credential, its walls. */
  private async run(script: string, env: Readonly<Record<string, string>>): Promise<StepEnded> {
    const given = {
      HOME,
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      PULUMI_SKIP_UPDATE_CHECK: "true",
      LANG: "C.UTF-8",
      PATH: "/usr/local/bin:/usr/bin:/bin",
      ...env,
    };
    const walls = {
      ...this.service,
      ProtectSystem: "strict",
      ReadWritePaths: HOME,
      PrivateTmp: "yes",
      NoNewPrivileges: "yes",
    };
    const properties = Object.entries(walls).flatMap(([name, value]) =>
      [value].flat().map((one) => `--property=${name}=${String(one)}`),
    );
    const ran = await this.host.exec(
      [
        ...[
          "systemd-run",
          "--quiet",
          "--wait",
          "--pipe",
          "--collect",
          "--unit=github-runner-bastion",
        ],
        ...["--uid=github-runner", "--gid=github-runner", `--working-directory=${WORK}`],
        ...properties,
        ...Object.entries(given).map(([name, value]) => `--setenv=${name}=${value}`),
        ...["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
      ],
      { timeout: 280_000 },
    );
    return { code: ran.code ?? 255, output: `${ran.stdout}${ran.stderr}` };
  }
}

/** Of the steps that get something, only the fleet's own repository is got here; the program is there. */
function scriptOf({ uses, with: options, run }: Step, hub: string): string {
  if (run === "npm ci" || options?.["repository"] !== undefined) return "true";
  if (run !== undefined) return run;
  if (uses?.startsWith("actions/checkout@") && options?.["path"] === "fleet")
    return `git clone --quiet ${hub} fleet && git -C fleet checkout --quiet --detach "$GITHUB_SHA"`;
  throw new Error(`Nobody knows how to do ${uses}.`);
}

function toolIn(path: readonly string[]): string {
  return join(path[1] ?? path[0] ?? "", "pulumi");
}
