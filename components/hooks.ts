import type { Hook, HookSettings, Remote } from "../contract/hooks.ts";
import { type Facts, releaseFacts } from "../contract/release-facts.ts";
import * as pulumi from "./pulumi.ts";

type Commands = typeof import("@pulumi/command");
export type KnownFacts = { [Key in keyof Facts]: pulumi.Input<Facts[Key]> };

const NONE: HookSettings = { before: [], after: [] };
const KILL_AFTER = "--kill-after=10";

/**
 * Commands of the user around an activation, on this machine or another one.
 *
 *     const hooks = await Hooks.from(settings.hooks);
 *     hooks.after("choiros-prod", facts, { parent, dependsOn: [system] });
 *
 * A hook runs again when what it is told or how it is called changes, and only then. It has no triggers,
 * which would replace it, and no `delete`, which a replacement would run after the new `create`.
 */
export class Hooks {
  private readonly settings: HookSettings;
  private readonly commands: Commands | undefined;

  /** Loads the plugin's SDK, which takes its time, only where there are hooks. */
  static async from(settings: HookSettings = NONE): Promise<Hooks> {
    const some = settings.before.length + settings.after.length > 0;
    return new Hooks(settings, some ? await import("@pulumi/command") : undefined);
  }

  constructor(settings: HookSettings, commands: Commands | undefined) {
    this.settings = settings;
    this.commands = commands;
  }

  before(host: string, facts: KnownFacts, opts: pulumi.CustomResourceOptions): pulumi.Resource[] {
    return this.inTurn(this.settings.before, `${host}-before`, facts, opts);
  }

  after(host: string, facts: KnownFacts, opts: pulumi.CustomResourceOptions): pulumi.Resource[] {
    return this.inTurn(this.settings.after, `${host}-after`, facts, opts);
  }

  private inTurn(
    hooks: readonly Hook[],
    prefix: string,
    facts: KnownFacts,
    { dependsOn = [], ...opts }: pulumi.CustomResourceOptions,
  ): pulumi.Resource[] {
    const { commands } = this;
    if (commands === undefined) return [];
    const told = pulumi.output(facts).apply((known) => releaseFacts(known as Facts));
    const done: pulumi.Resource[] = [];
    for (const hook of hooks) {
      const previous = done.slice(-1);
      const earlier = pulumi.output(dependsOn).apply((first) => [first, previous].flat());
      done.push(
        createCommand(commands, `${prefix}-${hook.name}`, hook, told, {
          ...opts,
          dependsOn: earlier as pulumi.Output<pulumi.Resource[]>,
          // What a hook prints is shown as it comes; what it was need not be in the state for anybody to read.
          additionalSecretOutputs: ["stdout", "stderr"],
        }),
      );
    }
    return done;
  }
}

function createCommand(
  { local, remote }: Commands,
  name: string,
  hook: Hook,
  facts: pulumi.Output<Record<string, string>>,
  opts: pulumi.CustomResourceOptions,
): pulumi.Resource {
  const { argv, seconds, directory } = callOf(hook);
  if (hook.on === undefined)
    return new local.Command(
      name,
      {
        ...localCall(argv, seconds),
        environment: facts,
        ...(directory === undefined ? {} : { dir: directory }),
      },
      opts,
    );
  return new remote.Command(
    name,
    {
      connection: connectionTo(hook.on),
      create: REMOTE,
      stdin: facts.apply((known) => remoteInput(known, argv, seconds, directory)),
      addPreviousOutputInEnv: false,
    },
    opts,
  );
}

/** The plugin runs the interpreter with the command as one more argument: no shell reads any of it. */
export function localCall(argv: readonly string[], seconds: number) {
  return {
    interpreter: ["timeout", KILL_AFTER, `${seconds}`, ...argv.slice(0, -1)],
    create: argv.at(-1) ?? "",
    addPreviousOutputInEnv: false,
  };
}

function callOf(hook: Hook): { argv: string[]; seconds: number; directory?: string | undefined } {
  if (hook.kind === "http") {
    const { url, status, deadlineSeconds } = hook;
    const argv = ["sh", "-c", HTTP, "http", url, `${status}`, `${deadlineSeconds}`];
    return { argv, seconds: deadlineSeconds + 30 };
  }
  const { argv, timeoutSeconds: seconds, directory, output } = hook;
  return output === "shown"
    ? { argv, seconds, directory }
    : { argv: ["sh", "-c", DISCARDING, "hook", ...argv], seconds, directory };
}

/* Shell text that is the same for every hook; what differs comes as arguments, or on stdin. */

const DISCARDING = `"$@" >/dev/null 2>&1 || { echo "exit $?; its output was discarded"; exit 1; }`;

const HTTP = `end=$(($(date +%s) + $3))
while :; do
  seen=$(curl -q --silent --globoff --proto =http,https --max-time 5 \\
    --output /dev/null --write-out "%{http_code}" --url "$1")
  if [ "$seen" = "$2" ]; then exit 0; fi
  if [ "$(date +%s)" -ge "$end" ]; then break; fi
  sleep 1
done
echo "$1 answered \${seen:-nothing} and not $2, for $3 s"
exit 1`;

/** An sshd passes no environment that it was not told to; and a login shell need not be a sh. */
export const REMOTE = `exec sh -c 'while IFS= read -r line; do
  case $line in
    arg=*) set -- "$@" "\${line#arg=}" ;;
    cd=*) cd -- "\${line#cd=}" || exit 1 ;;
    seconds=*) seconds=\${line#seconds=} ;;
    NIXOS_PROMOTE_*=*) export "$line" ;;
  esac
done
exec timeout ${KILL_AFTER} "$seconds" "$@" </dev/null'`;

function remoteInput(
  facts: Record<string, string>,
  argv: readonly string[],
  seconds: number,
  directory: string | undefined,
): string {
  const lines = [
    ...Object.entries(facts).map(([key, value]) => `${key}=${value}`),
    ...(directory === undefined ? [] : [`cd=${directory}`]),
    `seconds=${seconds}`,
    ...argv.map((word) => `arg=${word}`),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

/** Keys are the agent's: one in the settings would be in the state. */
function connectionTo({ host, user, port, hostKey }: Remote) {
  return { host, user, port, hostKey, dialErrorLimit: 3, perDialTimeout: 15 };
}
