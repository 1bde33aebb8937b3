// A release that changes users, groups and files below /etc, and a unit that no plan can know of, with the real CLI.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { history } from "../../contract/ledger.ts";
import { plan as schema } from "../../contract/plan.ts";
import { run } from "../../lab/process.ts";
import { ask } from "../host/on-host.ts";
import { assertRuns, World } from "./world.ts";

/** The passwords of the revision, as they are in its users-groups.json. */
const HASHES = ["rootcanaryZ0qk1m9wT4f", "alicecanaryM3nX8vKq0"];

describe("a release with other accounts", function () {
  this.timeout(300_000);
  let world: World;
  let plan: string;
  let printed = "";

  before("release a on both hosts, accounts on grind", async () => {
    world = await World.settled();
    await world.push("accounts");
    plan = join(world.project.directory, "plan.json");
    printed += (await world.up("grind")).output;
  });
  after("the lab goes", () => world?.close());

  const told = (text: string) => HASHES.filter((hash) => text.includes(hash));

  it("has a plan that names them, in the terminal, as a document and as Markdown", async () => {
    const said = await world.project.promote(["plan", "--stack", "prod", "--json", "-o", plan]);
    assert.equal(said.code, 0, said.output);
    const { change } = schema.parse(JSON.parse(said.stdout));
    assert.deepEqual(change.users, {
      ...{ added: ["alice"], removed: [] },
      changed: [{ name: "root", what: ["password"] }],
    });
    assert.deepEqual(change.groups, {
      ...{ added: ["operators"], removed: [] },
      changed: [{ name: "wheel", what: ["+alice"] }],
    });
    assert.deepEqual(change.etc, {
      ...{ added: ["choiros/operators"], removed: [], changed: ["issue"] },
    });
    assert.deepEqual(change.units.restart, []);
    const shown = (await world.preview("prod")).replace(/\s+/g, " ");
    assert.match(
      shown,
      / users new alice; changed root \(password\); groups: new operators; changed wheel \(\+alice\) /,
    );
    assert.match(shown, / \/etc new choiros\/operators; changed issue /);
    const markdown = await world.project.promote(["plan", plan, "--markdown"]);
    assert.match(markdown.stdout, /\| user \| `alice` \| new \|/);
    printed += said.output + shown + markdown.output;
  });

  it("does what was planned, and warns of the unit that was restarted without a plan", async () => {
    const argument = ["up", "--yes", "--skip-preview", "--stack", "prod", "--logtostderr", "-v=9"];
    const { output } = await world.project.must(argument);
    printed += output;
    await assertRuns(world.prod, await world.toplevel("accounts", world.prod));
    assert.match(await world.prod.must(["id", "alice"]), /uid=1500\(alice\).*\(wheel\)/);
    assert.match(await world.prod.must(["cat", "/etc/issue"]), /^Alice looks/);
    assert.match(
      output.replace(/\s+/g, " "),
      /warning: choiros-prod: the switch did not do to units what was planned: caddy\.service was restarted, which was not planned\. The ledger of the host has all of it, in the record of activate-\S+\./,
    );
  });

  it("leaves both on the record of the host: the plan, and what happened", async () => {
    const { records } = history.parse(await ask(world.prod, "history", { limit: 1 }));
    const units = records[0]?.units;
    assert.ok(units?.planned);
    assert.ok(!units.planned.restart.includes("caddy.service"));
    const caddy = units.changed.find(({ unit }) => unit === "caddy.service");
    assert.deepEqual([caddy?.change, caddy?.state], ["restarted", "active"]);
  });

  it("is reported with them", async () => {
    const page = join(world.project.directory, "report.html");
    const args = ["report", "--stack", "prod", "--json", "--html", page];
    const { stdout, output } = await world.project.promote(args);
    printed += output;
    const { hosts } = JSON.parse(stdout) as {
      hosts: { contents: { users: { added: string[] } } }[];
    };
    assert.deepEqual(hosts[0]?.contents.users.added, ["alice"]);
    assert.match(readFileSync(page, "utf8"), /<th scope="row">wheel<\/th><td>group<\/td>/);
  });

  it("tells the hash of no password: not in plan or report, state, logs, or on the host", async () => {
    const file =
      "$(grep -o '/nix/store/[^ ]*-users-groups.json' /run/current-system/activate | head -n 1)";
    const spec = await world.prod.must(["bash", "-c", `cat ${file}`]);
    assert.deepEqual(told(spec), HASHES);
    assert.ok(printed.length > 100_000, "Pulumi did not log");
    assert.deepEqual(told(printed), []);
    const argv = ["grep", "-rlsF", ...HASHES.flatMap((hash) => ["-e", hash]), "--"];
    const mine = await run([...argv, world.project.directory]);
    assert.equal(mine.stdout, "");
    const places = [
      "/var/lib/nixos-promote",
      "/run/nixos-promote",
      "/run/systemd/transient",
      "/tmp",
    ];
    assert.equal((await world.prod.exec([...argv, ...places])).stdout, "");
    assert.deepEqual(told(await world.prod.must(["journalctl", "--no-pager"])), []);
    // They can be found where they are.
    assert.match((await world.prod.exec([...argv, "/etc/shadow"])).stdout, /shadow/);
  });

  it("takes them away again on the way back", async () => {
    await world.push("a");
    await world.up("grind");
    const shown = (await world.preview("prod")).replace(/\s+/g, " ");
    assert.match(shown, / users changed root \(password\); gone alice; groups: /);
    assert.match(shown, / \/etc changed issue; gone choiros\/operators /);
    await world.up("prod");
    assert.notEqual((await world.prod.exec(["id", "alice"])).code, 0);
  });
});
