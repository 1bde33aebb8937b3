// Two hosts that run the same system, a Caddy in front of them, and a stack that says which of them people get.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import type { LabHost } from "../../lab/lab.ts";
import type { Ended } from "../../lab/project.ts";
import { FILE, installProxy, PORT, UNIT } from "../support/proxy.ts";
import { pointers, World } from "./world.ts";

const PROFILE = "/nix/var/nix/profiles/system";

export class Swap {
  readonly world: World;
  readonly prod: LabHost;
  readonly spare: LabHost;
  readonly proxy: LabHost;
  readonly url: string;

  private constructor(world: World) {
    this.world = world;
    [this.prod, this.spare, this.proxy] = [
      world.prod,
      world.lab.host("spare"),
      world.lab.host("proxy"),
    ];
    this.url = `http://${this.proxy.address}:${PORT}`;
  }

  /** grind and prod run release a; spare is installed, and its stack has never been up. */
  static async open(): Promise<Swap> {
    const swap = await Swap.prepared();
    await swap.describe();
    await swap.world.up("grind");
    await swap.world.up("prod");
    return swap;
  }

  /** The hosts as they are installed, of which no stack knows yet but those of grind and prod. */
  static async prepared(): Promise<Swap> {
    const world = await World.open({ hosts: ["grind", "prod", "spare", "proxy"] });
    const swap = new Swap(world);
    await Promise.all([installProxy(swap.proxy), swap.#install()]);
    return swap;
  }

  /** Stacks for spare and for the traffic. */
  async describe(): Promise<void> {
    const { world } = this;
    const { directory } = world.project;
    const prod = readFileSync(`${directory}/Pulumi.prod.yaml`, "utf8");
    writeFileSync(
      `${directory}/Pulumi.standby.yaml`,
      prod.replaceAll(/\b(host|to): choiros-prod/g, "$1: choiros-spare"),
    );
    writeFileSync(`${directory}/Pulumi.traffic.yaml`, this.#traffic());
    for (const stack of ["standby", "traffic"]) await world.project.must(["stack", "init", stack]);
  }

  #traffic(): string {
    const at = (host: LabHost) => `"http://${host.address}:80"`;
    return `config:
  choiros:traffic:
    kind: reverseProxy
    proxy: {kind: ssh, host: choiros-proxy}
    unit: ${UNIT}
    active: prod
    hosts: {prod: ${at(this.prod)}, spare: ${at(this.spare)}}
    stacks: {prod: prod, spare: standby}
    drainSeconds: 5
    verify:
      - name: public
        kind: http
        url: ${this.url}/health
        body: '"26\\.05\\.%shortRev%"'
        headers: {x-served-by: "^%target%$"}
        deadlineSeconds: 10
`;
  }

  /** What an installation does: the first system of prod, for good, and a boot. */
  async #install(): Promise<void> {
    const { currentSystem } = await pointers(this.prod);
    const copy = ["nix", "copy", "--no-check-sigs", "--to", `ssh-ng://${this.spare.name}`];
    await this.world.grind.must([...copy, currentSystem]);
    await this.spare.must(["nix-env", "-p", PROFILE, "--set", currentSystem]);
    await this.spare.must([`${currentSystem}/bin/switch-to-configuration`, "boot"]);
    await this.spare.powerCut();
    await this.spare.boot();
  }

  close(): Promise<void> {
    return this.world.close();
  }

  /** Changes the settings of the stack that holds traffic; the text must be there. */
  configure(from: string | RegExp, to: string): void {
    const file = `${this.world.project.directory}/Pulumi.traffic.yaml`;
    const before = readFileSync(file, "utf8");
    const after = before.replace(from, to);
    assert.notEqual(after, before, `${file} does not hold ${from}`);
    writeFileSync(file, after);
  }

  activate(host: "prod" | "spare"): void {
    const file = `${this.world.project.directory}/Pulumi.traffic.yaml`;
    writeFileSync(file, readFileSync(file, "utf8").replace(/active: \w+/, `active: ${host}`));
  }

  up(stack = "traffic"): Promise<Ended> {
    return this.world.project.must(["up", "--yes", "--skip-preview", "--stack", stack]);
  }

  /** An `up` that must fail; what it prints, in one line. */
  async failing(verb: "up" | "preview", stack = "traffic"): Promise<string> {
    const how = verb === "up" ? ["--yes", "--skip-preview"] : [];
    const ended = await this.world.project.pulumi([verb, ...how, "--stack", stack]);
    assert.notEqual(ended.code, 0, `pulumi ${verb} should have failed:\n${ended.output}`);
    return ended.output.replace(/\s+/g, " ");
  }

  async preview(): Promise<string> {
    return (await this.world.project.must(["preview", "--stack", "traffic"])).output;
  }

  /** Who answers people now. */
  async served(): Promise<"prod" | "spare" | string> {
    const answer = await fetch(`${this.url}/health`, { headers: { connection: "close" } });
    await answer.body?.cancel();
    const by = answer.headers.get("x-served-by");
    if (answer.status !== 200) return String(answer.status);
    if (by === `${this.prod.address}:80`) return "prod";
    return by === `${this.spare.address}:80` ? "spare" : String(by);
  }

  /** The file that the proxy reads, to the byte, with its times and all that is beside it. */
  file(): Promise<string> {
    const script = 'cat "$1"; stat -c "%a %u %g %y" "$1"; ls -A "${1%/*}"';
    return this.proxy.must(["sh", "-c", script, "sh", FILE]);
  }
}

/**
 * People who ask all the time, each one after the other: over a new connection each time, or over one that stays open. Caddy
 * closes both when it reads its configuration: the open ones, and those that it has not accepted yet. If that comes
 * without a byte of an answer, they ask again, once, as browsers do.
 */
export class Load {
  readonly served = new Map<string, number>();
  readonly failed: string[] = [];
  again = 0;
  #people: Promise<void>[] = [];
  #ends = false;
  #longest = 0;

  constructor(url: string, people = 3) {
    this.#people = [true, false].flatMap((open) =>
      Array.from({ length: people }, () => this.#stay(url, open)),
    );
  }

  async #stay(url: string, open: boolean): Promise<void> {
    while (!this.#ends) {
      const began = performance.now();
      await this.#ask(url, open, true);
      this.#longest = Math.max(this.#longest, performance.now() - began);
    }
  }

  async #ask(url: string, open: boolean, mayAskAgain: boolean): Promise<void> {
    try {
      const headers = open ? {} : { connection: "close" };
      const answer = await fetch(`${url}/login`, { headers, signal: AbortSignal.timeout(20_000) });
      await answer.text();
      const by = answer.headers.get("x-served-by") ?? "nobody";
      if (answer.status !== 200) this.failed.push(`${answer.status} by ${by}`);
      this.served.set(by, (this.served.get(by) ?? 0) + 1);
    } catch (error) {
      const cause = error instanceof Error ? (error.cause ?? error) : error;
      if (!mayAskAgain || !/other side closed|ECONNRESET/.test(String(cause))) {
        this.failed.push(`${cause}, ${open ? "on an open" : "on a new"} connection`);
        return;
      }
      this.again += 1;
      await this.#ask(url, open, false);
    }
  }

  /** How many were answered, and milliseconds of the slowest. */
  async end(): Promise<{ answered: number; slowest: number }> {
    this.#ends = true;
    await Promise.all(this.#people);
    const answered = [...this.served.values()].reduce((sum, count) => sum + count, 0);
    return { answered, slowest: Math.round(this.#longest) };
  }
}
