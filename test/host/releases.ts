// Releases of the lab's repository, built on grind and copied to prod by our own commands.
import assert from "node:assert/strict";
import { type Lab, type LabHost, openLab } from "../../lab/lab.ts";
import type { Argument } from "../../providers/executors/argument.ts";
import { type Answer, ask, newId, run } from "./on-host.ts";

export const REPO = "/opt/choiros/workspace";
export const KEY = "/var/lib/nixos-promote/keys/lab-1.secret";
export const UNITS = [
  "hypervisor.service",
  "container@sandbox-live.service",
  "container@sandbox-dev.service",
  "caddy.service",
];

export interface Evaluated {
  readonly rev: string;
  readonly flakeRef: string;
  readonly cached: boolean;
  readonly hosts: Record<string, { drvPath: string; outPath: string; system: string }>;
  /** By their system. */
  readonly components: Record<string, Record<string, { drvPath: string; outPath: string }>>;
}

export class Releases {
  readonly lab: Lab;
  readonly grind: LabHost;
  readonly prod: LabHost;
  readonly #pushed = new Map<string, Promise<string>>();

  private constructor(lab: Lab) {
    this.lab = lab;
    this.grind = lab.host("grind");
    this.prod = lab.host("prod");
  }

  static async open(instance: string): Promise<Releases> {
    return new Releases(await openLab({ instance }));
  }

  async resolve(rev: string, more: { [key: string]: Argument } = {}): Promise<Evaluated> {
    const hosts = { "choiros-prod": "x86_64-linux" };
    const argument = {
      repo: REPO,
      rev,
      hosts,
      components: {},
      timeoutSeconds: 60,
      ...more,
    };
    return (await ask(this.grind, "resolve", argument)) as unknown as Evaluated;
  }

  /** Builds; the paths by the names of the derivations. */
  async build(
    rev: string,
    drvs: Record<string, string>,
    more: { [key: string]: Argument } = {},
  ): Promise<Answer> {
    const argument = {
      rev,
      flakeRef: "",
      drvs,
      rootPrefix: rev.slice(0, 12),
      signingKeyFile: KEY,
      ...more,
    };
    const ended = await run(this.grind, {
      id: newId("build"),
      command: "build",
      argument,
    });
    assert.ok(ended.result, JSON.stringify(ended));
    return ended.result;
  }

  async push(paths: string[], more: { [key: string]: Argument } = {}): Promise<Answer> {
    const argument = {
      to: "ssh-ng://choiros-prod",
      paths,
      missing: 0,
      bytes: 0,
      sshOptions: [],
      ...more,
    };
    const ended = await run(this.grind, {
      id: newId("push"),
      command: "push",
      argument,
    });
    assert.ok(ended.result, JSON.stringify(ended));
    return ended.result;
  }

  /** The system of a tag for prod, valid there. */
  onProd(tag: string): Promise<string> {
    let pushed = this.#pushed.get(tag);
    if (pushed === undefined) {
      pushed = this.#bring(tag);
      this.#pushed.set(tag, pushed);
    }
    return pushed;
  }

  async #bring(tag: string): Promise<string> {
    const { rev, hosts } = await this.resolve(tag);
    const drvs = Object.fromEntries(
      Object.entries(hosts).map(([name, { drvPath }]) => [name, drvPath]),
    );
    const { paths } = await this.build(rev, drvs);
    const { path } = (paths as Record<string, { path: string }>)["choiros-prod"] ?? { path: "" };
    assert.ok("copied" in (await this.push([path])));
    return path;
  }

  async close(): Promise<void> {
    await this.lab.close();
  }
}
