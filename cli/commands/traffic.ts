import { z } from "zod";
import type { Call } from "../commands.ts";
import { EXIT, type ExitCode, Stop, UsageError } from "../exit-code.ts";
import { isSet, textOf } from "../flags.ts";
import type { Output } from "../output.ts";
import { policiesOf } from "../policies.ts";
import { openProject, type Project } from "../project.ts";
import { changesNothing, Pulumi, type Run, type Showing } from "../pulumi.ts";
import { requireYes } from "../question.ts";
import { type TrafficStack, trafficStackOf, writeActive } from "../traffic-stack.ts";

/** Says who gets public traffic; with `--to` sends it to another host, and back if people do not get that one. */
export async function traffic(call: Call): Promise<ExitCode> {
  const { flags, output, cwd } = call;
  const project = openProject(cwd);
  const stack = trafficStackOf(project, textOf(flags, "stack"));
  const to = textOf(flags, "to");
  if (to !== undefined && !Object.hasOwn(stack.traffic.hosts, to))
    throw new UsageError(
      `${to} is none of [traffic.hosts] of ${stack.name}. These are: ${Object.keys(stack.traffic.hosts).join(", ")}.`,
    );
  const pulumi = new Pulumi(project.directory, output);
  const from = await provenIn(pulumi, stack);
  if (to === undefined) return tell(stack, from, output);
  return new Handover({ call, project, stack, pulumi, from, to }).run();
}

const proven = z.object({ traffic: z.object({ active: z.string() }) });

/** Who is active, as it was last seen by people; undefined if nobody ever was. */
async function provenIn(pulumi: Pulumi, { name }: TrafficStack): Promise<string | undefined> {
  return proven.safeParse(await pulumi.outputs(name)).data?.traffic.active;
}

function tell(
  { name, traffic }: TrafficStack,
  active: string | undefined,
  output: Output,
): ExitCode {
  const standby = Object.keys(traffic.hosts).filter((host) => host !== active);
  output.say(
    active === undefined
      ? `Nobody gets public traffic by ${name} yet. It could go to: ${standby.join(", ")}.`
      : `Public traffic goes to ${active} (${traffic.hosts[active] ?? "which is no longer in [traffic.hosts]"}). On standby: ${standby.join(", ") || "nobody"}.`,
  );
  if (active !== undefined && active !== traffic.active)
    output.say(
      `${name} is to send it to ${traffic.active}, and has not been seen to: promote traffic --stack ${name} --to ${traffic.active}`,
    );
  output.document({ stack: name, active: active ?? null, wanted: traffic.active, standby });
  return EXIT.done;
}

interface Planned {
  readonly call: Call;
  readonly project: Project;
  readonly stack: TrafficStack;
  readonly pulumi: Pulumi;
  /** Who people were last seen to get. */
  readonly from: string | undefined;
  readonly to: string;
}

/** Each kind is flipped by `pulumi up`, and taken back by another one: a proxy has gone back by itself by then. */
class Handover {
  readonly #planned: Planned;
  readonly #policies: Showing;

  constructor(planned: Planned) {
    this.#planned = planned;
    this.#policies = policiesOf(planned.call, planned.project, { settings: {} });
  }

  async run(): Promise<ExitCode> {
    const { call, project, stack, pulumi, to } = this.#planned;
    const { output } = call;
    const putBack = writeActive(project, stack, to);
    const done = await this.#previewed().catch((error) => {
      putBack();
      throw error;
    });
    if (done) {
      output.say(`Public traffic goes to ${to}, as it should: there is nothing to do.`);
      output.document(this.#about("nothing to do", to));
      return EXIT.done;
    }
    output.heading(`Public traffic to ${to}`);
    // Between two runs of Pulumi a Ctrl-C must not leave traffic where nobody has proven it.
    const stay = () => {};
    for (const signal of SIGNALS) process.on(signal, stay);
    try {
      const run = await pulumi.up(stack.name, this.#policies);
      if (!run.ok) throw await this.#takenBack(run);
    } finally {
      for (const signal of SIGNALS) process.off(signal, stay);
    }
    output.say(`People get ${to}. ${stack.file} says so now: commit it.`);
    output.document(this.#about("moved", to));
    return EXIT.done;
  }

  /** Shows what the flip will do, and asks; answers whether there is nothing to do. */
  async #previewed(): Promise<boolean> {
    const { call, stack, pulumi, from, to } = this.#planned;
    const { output, flags } = call;
    output.heading(`Preview of ${stack.name}`);
    const preview = await pulumi.preview(stack.name, this.#policies);
    if (preview.interrupted) throw new Stop(EXIT.interrupted, "Stopped. No traffic was moved.");
    if (!preview.ok)
      throw new Stop(
        EXIT.failed,
        `The preview of ${stack.name} failed: see above. No traffic was moved.`,
        { ...this.#about("refused", from), messages: preview.messages },
      );
    if (changesNothing(preview) && from === to) return true;
    const back = this.#back();
    const undo = back === undefined ? "there is no way back" : `back to ${back} if it fails`;
    await requireYes(`Send public traffic to ${to}, and ${undo}?`, {
      ...{ yes: isSet(flags, "yes"), output, about: this.#about("asked", from) },
      instead: `To do it: promote traffic --stack ${stack.name} --to ${to} --yes`,
    });
    return false;
  }

  /** Who gets it if the new one does not. */
  #back(): string | undefined {
    const { from, to, stack } = this.#planned;
    return from !== undefined && from !== to && Object.hasOwn(stack.traffic.hosts, from)
      ? from
      : undefined;
  }

  async #takenBack(failed: Run): Promise<Stop> {
    const { call, project, stack, pulumi, to } = this.#planned;
    const what = failed.interrupted
      ? `Stopped before ${to} was seen to get public traffic.`
      : `${to} did not get public traffic for good: see above.`;
    const back = this.#back();
    if (back === undefined) return this.#stranded(what);
    call.output.heading(`Public traffic back to ${back}`);
    writeActive(project, stack, back);
    // Nobody knows what of the flip has come to be. No policy holds up the way back.
    const { ok } = await pulumi.up(stack.name, { refresh: true });
    if (ok && (await provenIn(pulumi, stack)) === back)
      return new Stop(
        failed.interrupted ? EXIT.interrupted : EXIT.failed,
        `${what} It goes to ${back}, and ${stack.file} says so. Mend it, and run the same command again.`,
        this.#about("taken back", back),
      );
    const again = `${stack.file} says \`active: ${back}\`: \`pulumi up --refresh --stack ${stack.name}\` tries again.`;
    if ((await this.#sentTo()) === back)
      return new Stop(
        EXIT.unhealthy,
        `${what} It was sent back to ${back}, but people were not seen to get that one either: see above. ${again}`,
        this.#about("taken back, not proven", back),
      );
    return new Stop(
      EXIT.unknown,
      `${what} THE WAY BACK FAILED TOO: see above. Where traffic goes is not known; it may be ${to}. ${again}`,
      this.#about("not taken back", undefined),
    );
  }

  /** Nobody has had it before, or the one to whom it goes. */
  async #stranded(what: string): Promise<Stop> {
    const { stack, to } = this.#planned;
    const sent = (await this.#sentTo()) === to;
    const where = sent ? `It is sent to ${to} all the same.` : "Where traffic goes is not known.";
    return new Stop(
      sent ? EXIT.unhealthy : EXIT.unknown,
      `${what} ${where} There is nobody to go back to. When it is mended: promote traffic --stack ${stack.name} --to ${to}`,
      this.#about("not proven", sent ? to : undefined),
    );
  }

  /** Where the cloud or the proxy was last told to send it, proven or not. */
  async #sentTo(): Promise<string | undefined> {
    const { pulumi, stack } = this.#planned;
    const { code, stdout } = await pulumi.ask(["stack", "export", "--stack", stack.name]);
    if (code !== 0) return undefined;
    return sentTo
      .safeParse(JSON.parse(stdout))
      .data?.deployment.resources.flatMap(
        (resource) => moved.safeParse(resource).data?.outputs.active ?? [],
      )[0];
  }

  #about(outcome: string, active: string | undefined): object {
    const { stack, from, to } = this.#planned;
    return { stack: stack.name, from: from ?? null, to, outcome, active: active ?? null };
  }
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const sentTo = z.object({ deployment: z.object({ resources: z.array(z.unknown()) }) });
const moved = z.object({
  type: z.enum(["nixos:index:Proof", "nixos:index:Front"]),
  outputs: z.object({ active: z.string() }),
});
