import { type Connection, connectionKey, describeConnection } from "../contract/connection.ts";
import { type Examination, examination } from "../contract/examination.ts";
import type { HostState } from "../contract/host-state.ts";
import { connectionOf, countWays } from "../contract/ways-to-host.ts";
import { call } from "../providers/executors/executor.ts";
import { executorFor } from "../providers/executors/index.ts";
import { observe } from "../providers/nixos/observation.ts";
import type { Project, SettledStack } from "./project.ts";
import { questionOf, type Watched } from "./sight.ts";
import { within } from "./within.ts";

const LOOK_SECONDS = 20;
const EXAMINE_SECONDS = 40;

interface Question {
  readonly repo?: string;
  readonly rev?: string;
  readonly since?: string | undefined;
  readonly signingKeyFile?: string | undefined;
  /** The name by which this host is to reach another. */
  readonly to?: string;
}

/** What checks want to know of hosts: each is asked once, however many ask. */
export class Facts {
  readonly #answers = new Map<string, Promise<unknown>>();
  readonly #project: Project;

  constructor(project: Project) {
    this.#project = project;
  }

  /** What a host runs. */
  state({ settings }: { readonly settings: Watched }): Promise<HostState> {
    const connection = connectionOf(settings.host);
    return this.#once(`state ${connectionKey(connection)}`, () =>
      within(
        countWays(settings.host) * LOOK_SECONDS,
        describeConnection(connection),
        observe(connection, questionOf(settings)),
      ),
    );
  }

  examine(connection: Connection, question: Question = {}): Promise<Examination> {
    const key = `examine ${connectionKey(connection)} ${JSON.stringify(question)}`;
    return this.#once(key, () =>
      within(
        EXAMINE_SECONDS,
        describeConnection(connection),
        call(executorFor(connection), "doctor", { ...question }, examination, {
          timeoutSeconds: EXAMINE_SECONDS,
          endsWithUs: true,
        }),
      ),
    );
  }

  /** The stack of this project that builds what a stack runs: itself, or the one that it takes from. */
  buildingStack({ settings, name }: SettledStack): SettledStack | undefined {
    const { release } = settings;
    if (release.from === "build") return this.#find(name);
    return release.from === "stack" ? this.#find(release.stack) : undefined;
  }

  #find(name: string): SettledStack | undefined {
    const stack = this.#project.stacks.find((candidate) => candidate.name === name);
    return stack?.settings === undefined ? undefined : { ...stack, settings: stack.settings };
  }

  #once<T>(key: string, ask: () => Promise<T>): Promise<T> {
    const known = this.#answers.get(key) as Promise<T> | undefined;
    if (known !== undefined) return known;
    const answer = ask();
    answer.catch(() => {}); // whoever asked is told
    this.#answers.set(key, answer);
    return answer;
  }
}
