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
const POLICIES: Options = { "policy-pack": { type: "string", multiple: true } };

export const COMMANDS: Readonly<Record<string, Command>> = {
  promote: {
    summary: "Build and run a release on grind; if you say yes, on prod",
    operands: [],
    options: {
      ...STACK,
      ...YES,
      ...POLICIES,
      "skip-grind": { type: "boolean" },
      plan: { type: "string" },
      "save-plan": { type: "string" },
    },
    help: `
usage: promote [--stack STACK] [--yes] [--skip-grind] [--save-plan FILE]
       promote --plan FILE [--yes]

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
  --plan FILE        do what this plan says, and nothing else: refuses if the
                     release, the host or the plan has changed since. It
                     builds nothing and leaves grind alone
  --save-plan FILE   keep the plan of step 4
  --policy-pack DIR  policies to hold to, beside the stack's [policyPacks]

It may be stopped at any time and run again: each step looks at what is
there, and does what is left.

  $ promote --stack prod
`,
    load: async () => (await import("./commands/promote.ts")).promote,
  },
  plan: {
    summary: "What a promotion would do to the host of a stack",
    operands: ["[FILE]"],
    options: {
      ...STACK,
      ...POLICIES,
      output: { type: "string", short: "o" },
      markdown: { type: "boolean" },
    },
    help: `
usage: promote plan [--stack STACK] [-o FILE] [--markdown | --json]
       promote plan FILE [--markdown | --json]

A preview of a stack, and what it says of its host: the release, packages,
units, bytes to copy, drift, reboot. Nothing is changed, and nothing built.
With FILE it shows a plan that was kept.

  -s, --stack STACK  which one (default: prod)
  -o, --output FILE  keep it: promote --plan FILE does that and nothing else
  --markdown         for a comment of a pull request, or the summary of a job
  --policy-pack DIR  policies to hold to, beside the stack's [policyPacks]

  $ promote plan -o plan.json && promote --plan plan.json
`,
    load: async () => (await import("./commands/plan.ts")).plan,
  },
  status: {
    summary: "What all hosts run, and whether they are healthy",
    operands: [],
    options: {
      ...STACK,
      "expect-clean": { type: "boolean" },
      markdown: { type: "boolean" },
    },
    help: `
usage: promote status [--stack STACK] [--expect-clean] [--markdown]

Looks at every host once, all at the same time: its release and for how
long, drift, a reboot that is due, the last transaction and who started it.
Health is what the probes of the last transaction said, and what the units
of the contract are now; no probe is run. Needs no Pulumi backend.

  -s, --stack STACK  only this one
  --expect-clean     for a watch: ends with 6 unless every host runs what its
                     stack was promoted to, healthy, with nothing that waits;
                     says what differs and since when
  --markdown         for the summary of a job

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
  history: {
    summary: "Every transaction of a host, from its own records",
    operands: [],
    options: { ...STACK, limit: { type: "string", short: "n" } },
    help: `
usage: promote history [--stack STACK] [--limit N]

From the ledger of the host itself: what was tried when, what became of it
and why, by whom. The number in front is for rollback --to: 0 is what was
committed last, 1 the release before it.

  -s, --stack STACK  whose host (default: prod)
  -n, --limit N      how many records (default: 20)

  $ promote history --stack prod
`,
    load: async () => (await import("./commands/history.ts")).history,
  },
  rollback: {
    summary: "Back to a release that the host has committed before",
    operands: [],
    options: {
      ...STACK,
      ...YES,
      ...POLICIES,
      to: { type: "string" },
      emergency: { type: "boolean" },
    },
    help: `
usage: promote rollback [--stack STACK] [--to N | COMMIT | ID] [--yes]
       promote rollback --emergency [--stack STACK] [--to …] [--yes]

Pins the release in the settings of the stack, shows by a preview what will
change, asks, and runs it by the same transaction as any other. If nobody
says yes, the pin is taken back. A pin stays until promote unpin.

  -s, --stack STACK  which one (default: prod)
  --to               so many releases back (default: 1), the beginning of a
                     commit, or the id of a transaction: see promote history
  -y, --yes          do not ask
  --policy-pack DIR  policies to hold to, beside the stack's [policyPacks]
  --emergency        when Pulumi or its backend is away: asks the host itself
                     to activate a system that is still in its store, without
                     a preview; the next preview takes it in

  $ promote rollback --stack prod --to 47606b0
`,
    load: async () => (await import("./commands/rollback.ts")).rollback,
  },
  traffic: {
    summary: "Who gets public traffic; send it to another host, and back",
    operands: [],
    options: { ...STACK, ...YES, ...POLICIES, to: { type: "string" } },
    help: `
usage: promote traffic [--stack STACK]
       promote traffic --to HOST [--stack STACK] [--yes]

Without --to it says who gets public traffic, and who stands by.

  1. writes HOST as [traffic.active] into the settings of the stack
  2. pulumi preview, and a question; without a yes the settings are as before
  3. pulumi up: the host is healthy now, traffic moves, people are seen to
     get it, the old host drains, people are seen to get it still
  4. if any of it fails, or you stop it: pulumi up with the old host, which
     people have to be seen to get again

Ends with 1 if traffic was taken back, with 3 if people do not get the old
host either, with 4 if the way back failed too.

  -s, --stack STACK  which one (default: the only one with [traffic])
  --to HOST          one of [traffic.hosts]
  -y, --yes          do not ask
  --policy-pack DIR  policies to hold to; the way back is held up by none

  $ promote traffic --to prod-b
`,
    load: async () => (await import("./commands/traffic.ts")).traffic,
  },
  unpin: {
    summary: "Let a stack follow its [release] again",
    operands: [],
    options: STACK,
    help: `
usage: promote unpin [--stack STACK]

Takes the pin that a rollback has left out of the settings of the stack.
Nothing on its host changes before the next pulumi up.

  -s, --stack STACK  which one (default: prod)

  $ promote unpin --stack prod && pulumi preview --stack prod
`,
    load: async () => (await import("./commands/unpin.ts")).unpin,
  },
  data: {
    summary: "The backups of mutable data, and how one is brought back",
    operands: ["list|restore", "[NAME]"],
    options: {
      ...STACK,
      ...YES,
      directory: { type: "string", multiple: true },
      stop: { type: "string", multiple: true },
    },
    help: `
usage: promote data list [--stack STACK]
       promote data restore NAME [--stack STACK] [--directory DIR]...
                            [--stop UNIT]... [--yes]

Backups are made before a release that changes mutable data, and no release
brings one back. restore does: it says what it replaces and what it stops,
verifies hash and room, asks, and stops the units; what was there is moved
aside and never deleted. Then the units are started again. If anything fails
before the data are in their place, nothing has changed.

  -s, --stack STACK  whose host (default: prod)
  --directory DIR    only this one of the backup; may be repeated
  --stop UNIT        stop this instead of the units of the health contract;
                     may be repeated; none stops nothing
  -y, --yes          do not ask

  $ promote data restore activate-20261121T055801Z-9f2c
`,
    load: async () => (await import("./commands/data.ts")).data,
  },
  snapshot: {
    summary: "The state of a host in a file, and what differs between two",
    operands: ["[diff]", "[A]", "[B]"],
    options: {
      ...STACK,
      host: { type: "string" },
      output: { type: "string", short: "o" },
      format: { type: "string" },
    },
    help: `
usage: promote snapshot [--stack STACK | --host HOST] [-o FILE] [--format F]
       promote snapshot diff A B

What runs, of which programs, how healthy, and beside what: secrets by their
owner and mode only. diff says what a difference means; A and B are files,
or stacks, whose hosts are looked at now. It ends with 3 if they differ.

  -s, --stack STACK  whose host (default: prod)
  --host HOST        the same by the name of the host
  -o, --output FILE  where to (default: stdout)
  --format FORMAT    json (default), or env: lines of key=value

  $ promote snapshot --stack prod -o before.json
  $ promote snapshot diff before.json prod
`,
    load: async () => (await import("./commands/snapshot.ts")).snapshot,
  },
  report: {
    summary: "A release in one page: what changed, how it went, what failed",
    operands: ["[RELEASE]"],
    options: {
      ...STACK,
      html: { type: "string" },
      markdown: { type: "boolean" },
    },
    help: `
usage: promote report [RELEASE] [--stack STACK] [--html FILE] [--markdown]

From the hosts' own records: what a release changed on each, the packages
and their sizes, the steps and units of its activation, what the probes
said over time, and diagnostics if it failed. The page is one file that
needs no network. Only looks.

  RELEASE            number or id of promote history, or the beginning of a
                     commit (default: the last transaction)
  -s, --stack STACK  only this one (default: all that have the release)
  --html FILE        as a page
  --markdown         for the summary of a job

  $ promote report --html report.html
`,
    load: async () => (await import("./commands/report.ts")).report,
  },
  manifest: {
    summary: "What a release is made of, from the host that has committed it",
    operands: [],
    options: {
      ...STACK,
      to: { type: "string" },
      output: { type: "string", short: "o" },
      format: { type: "string" },
    },
    help: `
usage: promote manifest [--stack STACK] [--to N | COMMIT | ID] [-o FILE]
                        [--format F]

The manifest that the host keeps of what it has committed: as a file it can
be a [release] of its own (from: manifest), be signed, or go to an auditor.

  -s, --stack STACK  whose host (default: prod)
  --to               which release (default: 0, the last one): see history
  -o, --output FILE  where to (default: stdout)
  --format FORMAT    json (default), or env: lines of KEY=value

  $ promote manifest --to 1 -o releases/before.json
`,
    load: async () => (await import("./commands/manifest.ts")).manifest,
  },
  "cache-check": {
    summary: "Whether the caches of a stack have what would be promoted",
    operands: [],
    options: STACK,
    help: `
usage: promote cache-check [--stack STACK]

Which caches are configured, can the host reach them, do they have the
closure of what would be promoted, and does the host trust its signatures?
The host's own Nix is asked. What is wrong warns, or fails where
[copy.check] is fail or something is to be had from no cache.

  -s, --stack STACK  which one (default: prod)

  $ promote cache-check --stack prod
`,
    load: async () => (await import("./commands/cache-check.ts")).cacheCheck,
  },
};
