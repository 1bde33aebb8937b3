// A closure that is copied over several streams at a time, on real hosts.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Connection } from "../../contract/connection.ts";
import { KEY, likeNixos, type Path, put } from "../../lab/closures.ts";
import type { Argument } from "../../providers/executors/argument.ts";
import { silent } from "../../providers/nixos/engine.ts";
import { type Part, partsOf } from "../../providers/nixos/parts.ts";
import { relay } from "../../providers/nixos/relay.ts";
import { ask, eventually, finish, type Job, newId, run, start } from "./on-host.ts";
import { Releases } from "./releases.ts";

interface Refusal {
  readonly error?: { readonly code: string; readonly message: string };
}

describe("a copy over several streams", function () {
  this.timeout(120_000);
  let on: Releases;

  before("a lab", async function () {
    this.timeout(300_000);
    on = await Releases.open(process.env["TEST_LAB"] ?? "test");
  });
  after(() => on?.close());

  it("brings a closure of deep references whole and signed, and adds up its progress", async () => {
    const closure = likeNixos(150, 220e6);
    const paths = await put(on.grind, newId("deep"), closure);
    const parts = await divided(paths, closure);
    assert.ok(parts.length > 3 && parts.some(({ after }) => after.length > 0));
    const done: number[] = [];
    let beside = 0;
    const job = push(paths, {
      parts,
      nearSeconds: 0,
      streams: 3,
      missing: paths.length,
      bytes: 220e6,
    });
    const ended = await run(on.grind, job, async ({ fields, message }) => {
      if (fields["done"] !== undefined) done.push(Number(fields["done"]));
      assert.match(message ?? "", /^copying \d+\/150 paths/);
      beside = Math.max(beside, (await copies()).length);
    });
    assert.equal(ended.result?.["copied"], 150, JSON.stringify(ended.result));
    assert.deepEqual(
      done,
      [...done].sort((a, b) => a - b),
    );
    assert.ok(beside >= 2 && beside <= 3, `${beside} at a time`);
    const connections = ["pgrep", "-f", `^ssh: /var/lib/nixos-promote/jobs/${job.id}/`];
    await eventually("its connections are gone", async () => {
      return (await on.grind.exec(connections)).code !== 0;
    });
    await on.prod.must(["nix-store", "--check-validity", ...paths]);
    const verify = ["nix", "store", "verify", "--recursive", "--sigs-needed", "1"];
    await on.prod.must([...verify, paths.at(-1) ?? ""]);
  });

  it("fails when one stream is killed, keeps what has arrived, and goes on from there", async () => {
    const { paths, parts } = await four();
    const [first = "", second = "", , top = ""] = paths;
    const release = await holdBack(second);
    const job = push(paths, { parts, streams: 3, nearSeconds: 0 });
    await start(on.grind, job);
    await eventually("the first path has arrived", () => isValid(first));
    const [pid = ""] = await copies(second);
    assert.ok(pid, "no stream copies the second path");
    await on.grind.must(["kill", "-KILL", pid]);
    const { error } = (await finish(on.grind, job.id)).result as Refusal;
    assert.equal(error?.code, "copy-failed");
    assert.match(error?.message ?? "", /Part 2 of 3 was ended by signal 9; the streams beside it/);
    await release();
    assert.deepEqual(await copies(), []);
    assert.equal(await isValid(first), true);
    assert.equal(await isValid(top), false);
    const again = await on.push([top], { parts, streams: 3, nearSeconds: 0 });
    assert.ok(Number(again["copied"]) < 4, JSON.stringify(again));
    await on.prod.must(["nix-store", "--check-validity", ...paths]);
  });

  it("fails when a path of one stream has no signature that the host trusts", async () => {
    const { paths, parts } = await four(1);
    const { error } = (await on.push([paths[3] ?? ""], {
      parts,
      streams: 3,
      nearSeconds: 0,
    })) as Refusal;
    assert.equal(error?.code, "untrusted-signature", error?.message);
    assert.match(error?.message ?? "", /Part 2 of 3 ended with 1;/);
    assert.equal(await isValid(paths[1] ?? ""), false);
    assert.equal(await isValid(paths[3] ?? ""), false);
  });

  it("fails when one stream moves nothing any more", async () => {
    const { paths, parts } = await four();
    const release = await holdBack(paths[2] ?? "");
    const stuck = on.push(paths, { parts, nearSeconds: 0, streams: 3, stillSeconds: 2 });
    const { error } = (await stuck) as Refusal;
    await release();
    assert.equal(error?.code, "copy-failed");
    assert.match(error?.message ?? "", /Part 3 of 3 has moved nothing for 2 s;/);
    assert.deepEqual(await copies(), []);
  });

  it("ends every stream when it is told to stop", async () => {
    const { paths, parts } = await four();
    const releases = [await holdBack(paths[1] ?? ""), await holdBack(paths[2] ?? "")];
    const job = push(paths, { parts, streams: 3, nearSeconds: 0 });
    await start(on.grind, job);
    await eventually("two streams wait", async () => (await copies()).length === 2);
    await ask(on.grind, "cancel", { id: job.id });
    const { error } = (await finish(on.grind, job.id)).result as Refusal;
    assert.equal(error?.code, "cancelled");
    await eventually("no stream is left", async () => (await copies()).length === 0);
    for (const release of releases) await release();
  });

  it("takes one stream where the host answers so soon that others would only cost more", async () => {
    const { paths, parts } = await four();
    const releases = [await holdBack(paths[1] ?? ""), await holdBack(paths[2] ?? "")];
    const job = push(paths, { parts, streams: 3, nearSeconds: 60 });
    await start(on.grind, job);
    await eventually("it copies", async () => (await copies()).length > 0);
    await sleep(1000);
    assert.equal((await copies()).length, 1);
    for (const release of releases) await release();
    const { result } = await finish(on.grind, job.id);
    assert.equal(result?.["copied"], 4, JSON.stringify(result));
  });

  describe("by relay", () => {
    const given = process.env["NIXOS_PROMOTE_SSH_CONFIG"];
    before(() => {
      process.env["NIXOS_PROMOTE_SSH_CONFIG"] = `${on.lab.dir}/ssh_config`;
    });
    after(() => {
      if (given === undefined) delete process.env["NIXOS_PROMOTE_SSH_CONFIG"];
      else process.env["NIXOS_PROMOTE_SSH_CONFIG"] = given;
    });

    it("brings all of it", async () => {
      const { paths, parts } = await four();
      await relayed(paths, parts);
      await on.prod.must(["nix-store", "--check-validity", ...paths]);
    });

    it("fails when a path of one stream has no signature that the host trusts", async () => {
      const { paths, parts } = await four(1);
      await assert.rejects(relayed(paths, parts), /choiros-prod trusts no signature on it/);
      assert.equal(await isValid(paths[1] ?? ""), false);
      assert.equal(await isValid(paths[3] ?? ""), false);
    });

    it("ends every stream when its time is over", async () => {
      const { paths, parts } = await four();
      const release = await holdBack(paths[2] ?? "");
      await assert.rejects(relayed(paths, parts, 4), /it was not done after 4 s/);
      await release();
      assert.equal(await isValid(paths[3] ?? ""), false);
    });

    function relayed(paths: string[], parts: Part[], timeoutSeconds = 60): Promise<void> {
      const builder: Connection = { kind: "ssh", host: "choiros-grind" };
      const connection: Connection = { kind: "ssh", host: "choiros-prod" };
      const transport = { via: "relay" as const, builder };
      const wanted = { connection, path: paths.at(-1) ?? "", transport, timeoutSeconds };
      const missing = { paths, bytes: 0, free: 0 };
      return relay(builder, wanted, missing, { streams: 3, parts }, silent);
    }
  });

  describe("of little, without asking what is missing", () => {
    const leaf = { bytes: 300_000, references: [] };
    const release = [leaf, { bytes: 20_000, references: [0] }, { bytes: 1000, references: [1] }];

    it("declines more than it may, and counts nothing that the host has", async () => {
      const paths = await put(on.grind, newId("little"), release);
      const [shared = "", , top = ""] = paths;
      const declined = await on.push([top], { atMost: 320_000, has: [] });
      assert.ok(Number(declined["exceeds"]) > 321_000, JSON.stringify(declined));
      assert.equal(await isValid(shared), false);
      assert.equal((await on.push([shared]))["copied"], 1);
      const messages: string[] = [];
      const job = push(paths, { atMost: 320_000, has: [shared] });
      const ended = await run(on.grind, job, ({ message }) => {
        messages.push(message ?? "");
      });
      assert.equal(ended.result?.["copied"], 2, JSON.stringify(ended.result));
      assert.match(`${messages}${ended.message}`, /copying [12]\/2 paths, [0-9.]+ (B|KiB) left/);
      assert.equal(await isValid(top), true);
    });

    it("says how much is left only if it is all that might be missing", async () => {
      const paths = await put(on.grind, newId("less"), release);
      assert.equal((await on.push([paths[0] ?? ""]))["copied"], 1);
      const unknown = `/nix/store/${"a".repeat(32)}-never-here`;
      const ended = await run(on.grind, push(paths, { atMost: 1e6, has: [unknown] }));
      assert.equal(ended.result?.["copied"], 2, JSON.stringify(ended.result));
      assert.equal(ended.message, "copying 2/2 paths");
    });

    it("says so when the builder does not have it, and takes no odd amount", async () => {
      const gone = [`/nix/store/${"b".repeat(32)}-gone`];
      const told = (await on.push(gone, { atMost: 1e6, has: [] })) as Refusal;
      assert.equal(told.error?.code, "not-built");
      assert.match(told.error?.message ?? "", /-gone is not in the store of the builder/);
      for (const odd of [{ atMost: -1 }, { atMost: "$(id)" }, { atMost: 1, has: ["--to"] }]) {
        const { error } = (await on.push(gone, odd)) as Refusal;
        assert.equal(error?.code, "bad-argument", JSON.stringify(odd));
      }
    });
  });

  it("takes no part that waits for a later one, and no odd number of streams", async () => {
    const { paths, parts } = await four();
    for (const more of [
      { streams: 0 },
      { streams: 17 },
      { streams: "$(id)" },
      { stillSeconds: -1 },
      { nearSeconds: "$(id)" },
      { streams: 2, parts: [{ paths, after: [0] }] },
      { streams: 2, parts: [{ paths: ["--to"], after: [] }] },
    ]) {
      const { error } = (await on.push(paths, { parts, ...more })) as Refusal;
      assert.equal(error?.code, "bad-argument", JSON.stringify(more));
    }
  });

  function push(paths: readonly string[], more: { [key: string]: Argument }): Job {
    const to = { to: "ssh-ng://choiros-prod", paths: paths.slice(-1), missing: 0, bytes: 0 };
    return { id: newId("push"), command: "push", argument: { ...to, sshOptions: [], ...more } };
  }

  /** Three paths, one part each, and one that refers to them; one of them may be without a signature. */
  async function four(unsigned?: number): Promise<{ paths: string[]; parts: Part[] }> {
    const leaf = { bytes: 40_000, references: [] };
    const closure = [leaf, leaf, leaf, { bytes: 1000, references: [0, 1, 2] }];
    const paths = await put(on.grind, newId("four"), closure, unsigned === undefined);
    for (const [index, path] of paths.entries())
      if (unsigned !== undefined && index !== unsigned)
        await on.grind.must(["nix", "store", "sign", "--key-file", KEY, path]);
    return { paths, parts: paths.slice(0, 3).map((path) => ({ paths: [path], after: [] })) };
  }

  /** As `copyClosure` does it. */
  async function divided(paths: string[], closure: readonly Path[]): Promise<Part[]> {
    const { pieces } = (await ask(on.grind, "references", { paths })) as {
      pieces: [number, number[]][];
    };
    assert.deepEqual(
      pieces.map(([, references]) => references.toSorted((a, b) => a - b)),
      closure.map(({ references }) => references.toSorted((a, b) => a - b)),
    );
    const given = pieces.map(([bytes, references], index) => ({
      ...{ path: paths[index] ?? "", bytes, references },
    }));
    return partsOf(given, 3);
  }

  /** The processes on grind that copy, or that copy this. */
  async function copies(path = ""): Promise<string[]> {
    const said = await on.grind.exec(["pgrep", "-f", `^nix .*copy .*--to ssh-ng://.*${path}`]);
    return said.stdout.split("\n").filter(Boolean);
  }

  async function isValid(path: string): Promise<boolean> {
    return (await on.prod.exec(["nix-store", "--check-validity", path])).code === 0;
  }

  /** Keeps prod from taking one path, by the lock that Nix itself takes for it. */
  async function holdBack(path: string): Promise<() => Promise<void>> {
    const flag = `/run/held-back-${path.slice(-20)}`;
    const script = `touch ${flag}; while [ -e ${flag} ]; do sleep 0.1; done`;
    const held = on.prod.exec(["flock", `${path}.lock`, "sh", "-c", script]);
    await eventually(
      "the lock is held",
      async () => (await on.prod.exec(["test", "-e", flag])).code === 0,
    );
    return async () => {
      await on.prod.must(["rm", flag]);
      await held;
    };
  }
});
