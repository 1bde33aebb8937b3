import { randomBytes } from "node:crypto";
import { type Connection, connectionKey } from "../../contract/connection.ts";
import { type Description, description } from "../../contract/description.ts";
import { call, type Executor } from "../executors/executor.ts";
import { reach } from "./route.ts";

/**
 * What is to be known of systems for plans. Hosts of a fleet often have a system in common: then the builder is asked once
 * for it, and one of the hosts for the closure of what they run. A store path has the same closure everywhere.
 */
export class SystemFacts {
  /** Digests of passwords are made with it, on builder and hosts, which nobody else ever sees. */
  readonly #accounts = randomBytes(16).toString("hex");
  readonly #wanted = new Recent<Promise<Description>>();
  readonly #closures = new Recent<Promise<Description["closure"] | undefined>>();

  /** The system that is wanted, as its builder has it. */
  wanted(builder: Connection, toplevel: string): Promise<Description> {
    const key = `${connectionKey(builder)} ${toplevel}`;
    return (
      this.#wanted.get(key) ??
      this.#wanted.set(key, this.#describe(reach(builder, "release.builder"), toplevel))
    );
  }

  /** The system that a host runs, with the state of its units, which of the paths it does not have, and which conditions hold. */
  async running(
    host: Connection,
    toplevel: string,
    asked: { readonly paths: string; readonly conditions: string },
  ): Promise<Description> {
    const executor = reach(host, "host.connection");
    const own = { states: true, ...asked };
    const closure = await this.#closures.get(toplevel);
    if (closure !== undefined)
      return { ...(await this.#describe(executor, toplevel, { ...own, closure: false })), closure };
    const answer = this.#describe(executor, toplevel, own);
    this.#closures.set(
      toplevel,
      answer.then(
        (said) => (said.valid ? said.closure : undefined),
        () => undefined, // the next host is asked for it
      ),
    );
    return answer;
  }

  #describe(
    executor: Executor,
    toplevel: string,
    more: { states?: boolean; paths?: string; conditions?: string; closure?: boolean } = {},
  ): Promise<Description> {
    const accounts = this.#accounts;
    return call(executor, "describe", { toplevel, closure: true, accounts, ...more }, description);
  }
}

/** Enough for the roles of a fleet; where each host has a system of its own, few are held. */
const KEPT = 8;

/** The last few values that were asked for. */
class Recent<T> {
  readonly #values = new Map<string, T>();

  get(key: string): T | undefined {
    const value = this.#values.get(key);
    return value === undefined ? undefined : this.set(key, value);
  }

  set(key: string, value: T): T {
    this.#values.delete(key);
    this.#values.set(key, value);
    for (const oldest of this.#values.keys()) {
      if (this.#values.size <= KEPT) break;
      this.#values.delete(oldest);
    }
    return value;
  }
}
