import { z } from "zod";
import { Failure, inContext, isClosed } from "../errors.ts";
import { call, type Executor } from "./executor.ts";

type Name = "connection" | "fallback";

/**
 * Two ways to one machine. A call for which one is closed goes over the other, after that has been seen to lead to
 * the machine. What has begun over one way ends over it: a job may have been started there, and what confirms a
 * release has to prove that the way is open which the operator uses.
 */
export class Either {
  /** Why the fallback is used, if it is. */
  detour: string | undefined;
  readonly #ways: Readonly<Record<Name, Executor>>;
  readonly #machineId: string;
  #current: Name = "connection";
  #turning: Promise<void> | undefined;

  constructor(primary: Executor, fallback: Executor, machineId: string) {
    this.#ways = {
      connection: named("connection", primary),
      fallback: named("fallback", fallback),
    };
    this.#machineId = machineId;
  }

  /** For one piece of work, which stays on the way that its first call takes. */
  begin(): Executor {
    let taken: Executor | undefined;
    const way = () => taken ?? this.#ways[this.#current];
    return {
      get host() {
        return way().host;
      },
      get kind() {
        return way().kind;
      },
      run: async (script, input, options) => {
        if (taken !== undefined) return taken.run(script, input, options);
        const name = this.#current;
        try {
          const answer = await this.#ways[name].run(script, input, options);
          taken = this.#ways[name];
          return answer;
        } catch (error) {
          if (!leadsAround(error)) {
            taken = this.#ways[name];
            throw error;
          }
          await this.#turn(name, error);
        }
        taken = way();
        return taken.run(script, input, options);
      },
      close() {},
    };
  }

  /** To the other way, once for all who have found this one closed. */
  async #turn(closed: Name, why: Failure): Promise<void> {
    if (this.#current !== closed) return;
    this.#turning ??= this.#try(closed, why).finally(() => {
      this.#turning = undefined;
    });
    await this.#turning;
  }

  async #try(closed: Name, why: Failure): Promise<void> {
    const other: Name = closed === "connection" ? "fallback" : "connection";
    const found = await this.#machineOver(other).catch((error) => {
      throw isClosed(error) ? bothClosed(why, error) : error;
    });
    if (found !== this.#machineId)
      throw new Failure(
        "refused",
        `[host.${other}] leads to another machine (${found}) than [host.machineId] (${this.#machineId}). ` +
          `Nothing was changed. Correct the one or the other. It was asked because ${why.message}`,
      );
    this.#current = other;
    this.detour =
      other === "fallback"
        ? `${why.message} Going over [host.fallback], ${this.#ways.fallback.host}, which leads to the same machine.`
        : undefined;
  }

  async #machineOver(name: Name): Promise<string> {
    const { machineId } = await call(this.#ways[name], "observe", {}, identity, {
      endsWithUs: true,
    });
    return machineId;
  }
}

const identity = z.object({ machineId: z.string() });

/** A changed host key is an alarm, and no reason to look for another door. */
function leadsAround(error: unknown): error is Failure {
  return isClosed(error) && error.kind !== "host-key";
}

function bothClosed(one: Failure, other: Failure): Failure {
  const messages = [one.message, other.message].sort(); // [host.connection] before [host.fallback]
  return new Failure("unreachable", messages.join(" "), { cause: one });
}

/** When it is closed, the message begins with the setting. */
function named(name: Name, executor: Executor): Executor {
  return {
    host: executor.host,
    kind: executor.kind,
    run: (script, input, options) =>
      executor.run(script, input, options).catch((error) => {
        throw isClosed(error) ? inContext(`[host.${name}]`, error) : error;
      }),
    close: () => executor.close(),
  };
}
