import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { plan as schema } from "../../contract/plan.ts";
import { withSettings } from "./faults.ts";
import { assertRuns, isActive, pointers, REPOSITORY, World } from "./world.ts";

const PACK = join(import.meta.dirname, "../../policy/pack");

describe("a plan that is reviewed", function () {
  this.timeout(300_000);
  let world: World;
  let a: string;
  let b: string;
  let file: string;

  before("release a on both hosts, b on grind", async () => {
    world = await World.settled();
    a = await world.toplevel("a", world.prod);
    b = await world.toplevel("b", world.prod);
    await world.push("b");
    await world.up("grind");
    file = join(world.project.directory, "plan.json");
  });

  after("the lab goes", () => world?.close());

  const promote = (args: readonly string[], options = {}) => world.project.promote(args, options);

  async function must(args: readonly string[], options = {}): Promise<string> {
    const ended = await promote(args, options);
    assert.equal(ended.code, 0, ended.output);
    return ended.stdout;
  }

  /** All that a refusal must leave alone: what runs and would boot, and what is in the store. */
  async function touchable() {
    const store = await world.prod.must(["ls", "/nix/store"]);
    return { store, ...(await pointers(world.prod)) };
  }

  async function refused(says: RegExp, args: readonly string[] = []): Promise<void> {
    const before = await touchable();
    const { code, output } = await promote(["--plan", file, "--yes", ...args]);
    assert.equal(code, 1, output);
    assert.match(output.replace(/\s+/g, " "), says);
    assert.deepEqual(await touchable(), before);
  }

  it("says what would be done, as a document, in words and as Markdown, and does nothing", async () => {
    const before = await touchable();
    const document = schema.parse(JSON.parse(await must(["plan", "--json", "-o", file])));
    assert.equal(document.stack, "prod");
    assert.equal(document.change.from, a);
    assert.equal(document.change.to, b);
    assert.equal(document.host.currentSystem, a);
    assert.match(document.release.id ?? "", /^[0-9a-f]{64}$/);
    assert.ok((document.host.generation ?? 0) > 0);
    assert.deepEqual(document.resources, { read: 1, same: 4, update: 2 });
    assert.ok(document.change.packages.some(({ name }) => name === "hypervisor"));
    assert.ok(document.change.units.restart.includes("hypervisor.service"));
    assert.deepEqual(JSON.parse(readFileSync(file, "utf8")).id, document.id);

    const text = await must(["plan", file]);
    assert.match(text, /^choiros-prod: [0-9a-f]{12} -> [0-9a-f]{12} /);
    assert.match(text, /restart .*hypervisor\.service/);
    const markdown = await must(["plan", file, "--markdown"]);
    assert.match(markdown, /^### Plan for prod: choiros\\-prod\n/);
    assert.match(markdown, /\| `hypervisor` \| 1\\\.4\\\.0 \| 1\\\.5\\\.0 \|/);
    assert.deepEqual(await touchable(), before);
  });

  it("is the same when nothing has changed since", async () => {
    const { id } = JSON.parse(readFileSync(file, "utf8")) as { id: string };
    assert.equal(JSON.parse(await must(["plan", "--json"])).id, id);
  });

  it("is refused when somebody has changed it", async () => {
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.replace('"stop":[]', '"stop":["a.service"]'));
    const { code, output } = await promote(["--plan", file, "--yes"]);
    assert.equal(code, 2, output);
    assert.match(output, /is not the plan that it says it is/);
    writeFileSync(file, text);
  });

  it("is refused when a unit of the host is another than it was", async () => {
    await world.prod.must(["systemctl", "stop", "container@sandbox-dev.service"]);
    await refused(/drift: \+ container@sandbox-dev\.service is inactive/);
    await world.prod.must(["systemctl", "start", "container@sandbox-dev.service"]);
  });

  it("is refused when the boot default of the host is another", async () => {
    const link = "/nix/var/nix/profiles/system";
    const was = (await world.prod.must(["readlink", link])).trim();
    await world.prod.must(["nix-env", "-p", link, "--set", b]).catch(async () => {
      // b is not there yet: any other valid system does.
      await world.prod.must(["nix-env", "-p", link, "--set", "/run/current-system/sw"]);
    });
    await refused(/choiros-prod: would boot: .* then, .* now/);
    await world.prod.must(["ln", "-sfn", was, link]);
  });

  it("is refused when the release is another, also at the last moment", async () => {
    await world.push("c-prod");
    await world.up("grind");
    await refused(/release: [0-9a-f]{12} was reviewed, [0-9a-f]{12} is what it would be now/);
    const before = await touchable();
    const env = { NIXOS_PROMOTE_REVIEWED_PLAN: file };
    const said = await world.failingUp("prod", { env });
    assert.match(said, /The release has changed since the plan was reviewed/);
    assert.deepEqual(await touchable(), before);
    await world.push("b");
    await world.up("grind");
    await refused(/release: [0-9a-f]{12} was built anew/);
    await must(["plan", "-o", file]);
  });

  it("is refused at the last moment when the host has moved on", async () => {
    const text = readFileSync(file, "utf8");
    const other = text.replaceAll(`"currentSystem":"${a}"`, `"currentSystem":"${b}"`);
    writeFileSync(file, other);
    const said = await world.failingUp("prod", { env: { NIXOS_PROMOTE_REVIEWED_PLAN: file } });
    assert.match(said, /choiros-prod has changed since the plan was reviewed: runs/);
    await assertRuns(world.prod, a);
    writeFileSync(file, text);
  });

  it("is applied when all is as it was, and what was copied meanwhile is no change", async () => {
    const kept = join(world.project.directory, "kept.json");
    const { code, output } = await promote(["--plan", file, "--yes", "--save-plan", kept]);
    assert.equal(code, 0, output);
    await assertRuns(world.prod, b);
    assert.ok(await isActive(world.prod, "hypervisor.service"));
    assert.equal(schema.parse(JSON.parse(readFileSync(kept, "utf8"))).change.to, b);
  });

  it("has nothing left to do once it is done", async () => {
    const { code, output } = await promote(["--plan", file, "--yes"]);
    assert.equal(code, 0, output);
    assert.match(output, /choiros-prod runs [0-9a-f]{12} .*, healthy/);
  });

  it("holds to the policies of the stack, by its settings or a flag", async () => {
    const refusal = /production-has-a-way-back/;
    await withSettings(
      world,
      "prod",
      { policyPacks: [PACK], "activation.confirm": false },
      async () => {
        const planned = await promote(["plan"]);
        assert.equal(planned.code, 1, planned.output);
        assert.match(planned.output, refusal);
      },
    );
    await withSettings(world, "prod", { "activation.confirm": false }, async () => {
      const before = await touchable();
      const asked = await promote(["--skip-grind", "--yes", "--policy-pack", PACK]);
      assert.equal(asked.code, 1, asked.output);
      assert.match(asked.output, refusal);
      assert.deepEqual(await touchable(), before);
    });
  });

  describe("and what came of it", () => {
    it("is told for both hosts: text, document, Markdown, and a page", async () => {
      const page = join(world.project.directory, "report.html");
      const told = JSON.parse(await must(["report", "--json", "--html", page])) as {
        hosts: {
          host: string;
          record: { outcome: string };
          verdict: { probes: object[] };
          contents: { changes: { name: string }[]; parts: object[] };
        }[];
      };
      assert.deepEqual(
        told.hosts.map(({ host, record }) => [host, record.outcome]),
        [
          ["choiros-prod", "committed"],
          ["choiros-grind", "committed"],
        ],
      );
      const [prod] = told.hosts;
      assert.ok(prod?.verdict.probes.length);
      assert.ok(prod.contents.parts.length > 5);
      assert.ok(prod.contents.changes.some(({ name }) => name === "hypervisor"));
      const html = readFileSync(page, "utf8");
      assert.match(html, /<h2 id="host-1-title">choiros-prod<\/h2>/);
      assert.match(html, /hypervisor\.service/);
      assert.match(
        await must(["report", "--markdown"]),
        /\| choiros\\-prod \| \*\*committed\*\* \|/,
      );
      assert.match(
        await must(["report", "1", "--stack", "prod"]),
        /choiros-prod \(prod\) committed/,
      );
      assert.equal((await promote(["report", "0000"])).code, 2);
    });

    it("tells a failure with its reason, its probes over time and its diagnostics", async () => {
      await world.push("c-prod");
      await world.up("grind");
      await world.failingUp("prod");
      const told = JSON.parse(await must(["report", "--stack", "prod", "--json"])) as {
        hosts: {
          record: { outcome: string; failedStep: string };
          verdict: {
            diagnostics: string;
            probes: { name: string; ok: boolean; changes?: object[] }[];
          };
        }[];
      };
      const [prod] = told.hosts;
      assert.deepEqual([prod?.record.outcome, prod?.record.failedStep], ["rolled-back", "health"]);
      assert.match(prod?.verdict.diagnostics ?? "", /== Probes/);
      const sick = prod?.verdict.probes.find(({ name }) => name === "hypervisor");
      assert.equal(sick?.ok, false);
      await world.push("b");
      await world.up("grind");
    });
  });

  describe("a watch (status --expect-clean)", () => {
    interface Watched {
      stacks: { stack: string; unclean: { says: string; since: number | null }[] }[];
    }
    async function watch(code: number): Promise<Watched["stacks"]> {
      const { code: ended, stdout, output } = await promote(["status", "--expect-clean", "--json"]);
      assert.equal(ended, code, output);
      return (JSON.parse(stdout) as Watched).stacks;
    }

    it("is content when all is as it was promoted", async () => {
      await promote(["--skip-grind", "--yes"]); // after the failure before
      await world.up("prod");
      assert.deepEqual(
        (await watch(0)).map(({ unclean }) => unclean),
        [[], []],
      );
    });

    it("ends with 6 on drift, and says since when", async () => {
      const before = Math.floor(Date.now() / 1000) - 2;
      await world.prod.must(["systemctl", "stop", "container@sandbox-dev.service"]);
      const { unclean = [] } = (await watch(6)).find(({ stack }) => stack === "prod") ?? {};
      const [found] = unclean;
      assert.match(found?.says ?? "", /container@sandbox-dev\.service is inactive/);
      assert.ok(
        found?.since != null && found.since >= before && found.since <= Date.now() / 1000 + 2,
        JSON.stringify(found),
      );
      const { output } = await promote(["status", "--expect-clean"]);
      assert.match(output.replace(/\s+/g, " "), /is inactive .*\(for \d+ \S+, since 20\d\d-/);
      assert.match(
        (await promote(["status", "--expect-clean", "--markdown"])).stdout,
        /\*\*drift\*\*/,
      );
      await world.prod.must(["systemctl", "start", "container@sandbox-dev.service"]);
    });

    it("ends with 6 on a working tree with what is in no commit", async () => {
      await world.grind.must(["sh", "-c", `echo note >${REPOSITORY}/notes.txt`]);
      const { unclean = [] } = (await watch(6)).find(({ stack }) => stack === "grind") ?? {};
      assert.match(unclean[0]?.says ?? "", /is dirty: \?\? notes\.txt/);
      await world.grind.must(["rm", `${REPOSITORY}/notes.txt`]);
    });
  });
});
