import type { OnFailure, Rollout } from "../../contract/rollout.ts";
import { Failure } from "../errors.ts";
import { type Interruption, interruption } from "./interruption.ts";
import { PartialFailure } from "./resource.ts";

/** Of a gate, which is about no single host, without `host`. */
export type Part = Omit<Rollout, "host"> & { readonly host?: string };

/** A host that took the release in this run, and how it goes back to what it ran. */
export interface Moved {
  readonly host: string;
  readonly wave: string;
  /** Says in a sentence where the host is now; never throws. */
  goBack(): Promise<string>;
}

/** What is limited: each has turns of its own. */
export type Work = "copy" | "switch";

interface Waiting {
  readonly part: Part;
  readonly begin: () => void;
  readonly refuse: (why: Failure) => void;
}

/**
 * The hosts of a fleet in one run of Pulumi: one provider serves them all. It gives them turns, begins none after
 * a failure, and carries out what the policy says of those that took the release.
 *
 * Turns, and no dependencies between hosts: a host that is slow then holds up nobody, and a part of the fleet
 * needs no other order than the whole.
 */
export class Fleet {
  readonly #moved = new Map<string, Moved>();
  readonly #running: Record<Work, Set<Part>> = { copy: new Set(), switch: new Set() };
  readonly #waiting: Record<Work, Waiting[]> = { copy: [], switch: [] };
  readonly #out = new Set<string>();
  #failed: { readonly who: string; readonly wave: string } | undefined;
  #outcome: Promise<string[]> | undefined;
  #idle: (() => void)[] = [];
  readonly #interruption: Interruption;

  constructor(interrupted = interruption) {
    this.#interruption = interrupted;
    interrupted.listen(() => this.#nextOfAll());
  }

  /** Does the work when it is its turn. What a failure of it leads to is done before the failure is thrown. */
  async run<T>(work: Work, part: Part, operation: () => Promise<T>): Promise<T> {
    await this.#turn(work, part);
    try {
      return await operation();
    } catch (error) {
      this.#fail(part.host ?? part.wave, part);
      this.#leave(work, part);
      throw withReport(error, await this.#carryOut(part));
    } finally {
      this.#leave(work, part);
    }
  }

  /** What is no host's own: a gate. */
  async judge<T>(part: Part, operation: () => Promise<T>): Promise<T> {
    const late = this.#lateness(`the wave ${part.wave}`);
    if (late !== undefined) throw late;
    try {
      return await operation();
    } catch (error) {
      this.#fail(`the wave ${part.wave}`, part);
      throw withReport(error, await this.#carryOut(part));
    }
  }

  hasMoved(moved: Moved): void {
    this.#moved.set(moved.host, moved);
  }

  /** Is the host known to be out of reach? */
  isOut(host: string, out: boolean): void {
    if (out) this.#out.add(host);
    else this.#out.delete(host);
  }

  #turn(work: Work, part: Part): Promise<void> {
    return new Promise((begin, refuse) => {
      this.#waiting[work].push({ part, begin, refuse });
      this.#next(work);
    });
  }

  #next(work: Work): void {
    const waiting = this.#waiting[work];
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      const refusal = this.#refusalOf(work, first.part);
      if (refusal === undefined && !this.#hasRoom(work, first.part)) return;
      waiting.shift();
      if (refusal !== undefined) first.refuse(refusal);
      else {
        this.#running[work].add(first.part);
        first.begin();
      }
    }
  }

  #hasRoom(work: Work, { host, maxInFlight, maxUnavailable = Number.POSITIVE_INFINITY }: Part) {
    const running = this.#running[work].size;
    if (work === "copy") return running < maxInFlight;
    return running < Math.min(maxInFlight, maxUnavailable - this.#outBeside(host).length);
  }

  #refusalOf(work: Work, { host = "", maxUnavailable }: Part): Failure | undefined {
    const late = this.#lateness(host);
    if (late !== undefined) return late;
    const out = this.#outBeside(host);
    if (work === "copy" || maxUnavailable === undefined || out.length < maxUnavailable)
      return undefined;
    return new Failure(
      "refused",
      `[fleet.maxUnavailable] ${host} was not begun: ${out.join(", ")} cannot be reached, and ${maxUnavailable} may be out at a time. ` +
        "Nothing was changed there. Bring them back, or raise the setting.",
    );
  }

  #outBeside(host: string | undefined): string[] {
    return [...this.#out].filter((each) => each !== host);
  }

  /** After a failure nobody is begun, nor after a Ctrl-C. */
  #lateness(who: string): Failure | undefined {
    if (this.#failed !== undefined) return leftAlone(who, this.#failed);
    return this.#interruption.happened ? interruptedBefore(who) : undefined;
  }

  #leave(work: Work, part: Part): void {
    if (!this.#running[work].delete(part)) return;
    this.#next(work);
    if (this.#running.switch.size > 0) return;
    for (const wake of this.#idle.splice(0)) wake();
  }

  #fail(who: string, { wave }: Part): void {
    this.#failed ??= { who, wave };
    this.#nextOfAll();
  }

  #nextOfAll(): void {
    for (const work of ["copy", "switch"] as const) this.#next(work);
  }

  /** Once in a run, for the first failure; the others of its kind only add what they themselves have to say. */
  async #carryOut({ wave, onFailure }: Part): Promise<string[]> {
    if (this.#outcome !== undefined) {
      await this.#outcome;
      return [];
    }
    this.#outcome = this.#apply(wave, onFailure);
    return this.#outcome;
  }

  async #apply(wave: string, onFailure: OnFailure): Promise<string[]> {
    // What runs on a host comes to its own end there. Only then it is known who moved.
    if (this.#running.switch.size > 0)
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    const moved = [...this.#moved.values()];
    const interrupted = this.#interruption.happened;
    const leave = onFailure === "stop" || interrupted;
    const back = leave
      ? []
      : moved.filter((one) => onFailure === "rollbackAll" || one.wave === wave);
    const stay = moved.filter((one) => !back.includes(one));
    const said = await Promise.all(back.map((one) => one.goBack()));
    for (const { host } of back) this.#moved.delete(host);
    return [
      `The wave ${wave} failed, and [fleet.onFailure] is ${onFailure}. No other host was begun.`,
      ...(interrupted ? ["You have interrupted it, so that no other host goes back."] : []),
      ...said,
      ...(stay.length === 0
        ? []
        : [`On the release since this \`up\`, and left there: ${namesOf(stay)}.`]),
      "The next `pulumi up` looks at every host, and goes on with those that do not run the release.",
    ];
  }
}

function namesOf(all: readonly Moved[]): string {
  return all
    .map(({ host }) => host)
    .sort()
    .join(", ");
}

function leftAlone(who: string, failed: { who: string; wave: string }): Failure {
  return new Failure(
    "refused",
    `${who} was left as it was: ${failed.who} failed in the wave ${failed.wave} before it was begun.`,
    { code: "left-alone" },
  );
}

function interruptedBefore(who: string): Failure {
  return new Failure(
    "refused",
    `${who} was left as it was: you have interrupted before it was begun.`,
    {
      code: "left-alone",
    },
  );
}

function withReport(error: unknown, report: readonly string[]): unknown {
  if (report.length === 0) return error;
  if (error instanceof PartialFailure)
    return new PartialFailure(error.id, error.properties, [...error.reasons, ...report]);
  const { kind, code, details } = error instanceof Failure ? error : plain;
  const message = error instanceof Error ? error.message : String(error);
  return new Failure(kind, [message, ...report].join("\n"), {
    ...(code === undefined ? {} : { code }),
    details,
    cause: error,
  });
}

const plain = { kind: "script", code: undefined, details: undefined } as const;

export const fleet = new Fleet();
