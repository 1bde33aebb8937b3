import { z } from "zod";

export const mode = z.enum(["switch", "immediate", "boot", "test", "dry-activate"]);
export type Mode = z.infer<typeof mode>;

/** What an activation is to achieve. Callers ask it; nobody else looks at the mode. */
export class Goal {
  /** False: it only tells what would change. */
  readonly changesHost: boolean;
  /** Does the release run when it is reached? */
  readonly activates: boolean;
  /** Does a reboot come up with the release? */
  readonly setsBootDefault: boolean;
  /** May the host wait for us to come back over a new connection? */
  readonly asksForConfirmation: boolean;
  /** The outcome that is its success. */
  readonly success: "committed" | "tested" | "shown";
  /** For the plan: what is unlike a switch about it. */
  readonly effect: string | undefined;

  static of(mode: Mode): Goal {
    return GOALS[mode];
  }

  constructor({ activates = false, setsBootDefault = false, ...more }: Traits) {
    this.activates = activates;
    this.setsBootDefault = setsBootDefault;
    this.changesHost = activates || setsBootDefault;
    this.asksForConfirmation = more.asksForConfirmation ?? false;
    this.success = more.success ?? "committed";
    this.effect = more.effect;
  }

  /** A trial leaves the boot default to what it was, and does not mind. */
  get mindsBootDefault(): boolean {
    return this.setsBootDefault || !this.changesHost;
  }

  /** What waits for a reboot does not mind what runs until then. */
  get mindsRunning(): boolean {
    return this.activates || !this.changesHost;
  }

  /** Is there something to do on a host that runs and would boot these systems? */
  wants(
    toplevel: string | undefined,
    host: { currentSystem: string | null; profile: string | null },
  ): boolean {
    if (!this.changesHost) return true;
    if (toplevel === undefined) return false;
    return (
      (this.activates && host.currentSystem !== toplevel) ||
      (this.setsBootDefault && host.profile !== toplevel)
    );
  }
}

interface Traits {
  readonly activates?: boolean;
  readonly setsBootDefault?: boolean;
  readonly asksForConfirmation?: boolean;
  readonly success?: Goal["success"];
  readonly effect?: string;
}

const GOALS: Record<Mode, Goal> = {
  switch: new Goal({ activates: true, setsBootDefault: true, asksForConfirmation: true }),
  immediate: new Goal({
    activates: true,
    setsBootDefault: true,
    effect: "the boot default comes first, and no confirmation is asked for",
  }),
  boot: new Goal({
    setsBootDefault: true,
    effect: "at the next boot; until then nothing that runs changes",
  }),
  test: new Goal({
    activates: true,
    asksForConfirmation: true,
    success: "tested",
    effect: "until the next boot; the boot default stays as it is",
  }),
  "dry-activate": new Goal({
    success: "shown",
    effect: "none: it is only shown what a switch would do",
  }),
};
