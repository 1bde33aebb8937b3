import type { Flags, Options, Taken } from "./arguments.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Output } from "./output.ts";

/** What a command is given. */
export interface Call {
  readonly flags: Flags;
  readonly output: Output;
  readonly cwd: string;
}

export interface Command extends Taken {
  /** A line of the overview. */
  readonly summary: string;
  /** Usage, what it does, an example. */
  readonly help: string;
  /** Its code is loaded when it runs: `--help` must not wait for it. */
  load(): Promise<(call: Call) => Promise<ExitCode>>;
}

const STACK: Options = { stack: { type: "string", short: "s" } };
const YES: Options = { yes: { type: "boolean", short: "y" } };

export const COMMANDS: Readonly<Record<string, Command>> = {
  promote: {
    summary: "Build and run a release on grind; if you say yes, on prod",
    operands: [],
    options: { ...STACK, ...YES, "skip-grind": { type: "boolean" } },
    help: `
usage: promote [--stack STACK] [--yes] [--skip-grind]

  1. checks hosts, builder and settings; nothing is touched
  2. pulumi up of the stack that builds (not with --skip-grind)
  3. looks whether its host runs the release healthy
  4. pulumi preview of STACK, and a question
  5. pulumi up of STACK
  6. looks whether its host runs the release healthy

  -s, --stack STACK  where to promote to (default: prod); the stack that
                     builds is the one of its [release.stack]
  -y, --yes          do not ask: for CI. Without it and without a terminal
                     it stops at the question, with exit code 5
  --skip-grind       promote what the stack that builds runs already

It may be stopped at any time and run again: each step looks at what is
there, and does what is left.

  $ promote --stack prod
`,
    load: async () => (await import("./commands/promote.ts")).promote,
  },
  status: {
    summary: "What all hosts run, and whether they are healthy",
    operands: [],
    options: STACK,
    help: `
usage: promote status [--stack STACK]

Looks at every host once, all at the same time: its release and for how
long, drift, a reboot that is due, the last transaction and who started it.
Health is what the probes of the last transaction said, and what the units
of the contract are now; no probe is run. Needs no Pulumi backend.

  -s, --stack STACK  only this one

  $ promote status --json | jq -r '.stacks[] | "\\(.host) \\(.health)"'
`,
    load: async () => (await import("./commands/status.ts")).status,
  },
  doctor: {
    summary: "All that must be true before a promotion, and how to mend it",
    operands: [],
    options: STACK,
    help: `
usage: promote doctor [--stack STACK]

Looks at this machine, Pulumi's backend and passphrase, the settings, the
way to every host and its machine, Nix, room, locks, the repository and the
signing key on the builder, and its way to the host. All at the same time,
each with a time limit of its own. Changes nothing.

  -s, --stack STACK  only this one

  ok    as it has to be
  warn  a promotion works, but you should know
  fail  a promotion will fail; the line below says what to do

  $ promote doctor --stack prod
`,
    load: async () => (await import("./commands/doctor.ts")).doctor,
  },
};
