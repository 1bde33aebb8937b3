// The strategy links, on a real host: units that run from links outside the store.
import assert from "node:assert/strict";
import { z } from "zod";
import type { Argument } from "../../providers/executors/argument.ts";
import { ask, eventually, follow, run } from "./on-host.ts";
import { isRolledBack, type More, Prod, SOAKING, stepsOf, transactionRoots } from "./prod.ts";
import { KEY } from "./releases.ts";

const BIN = "/opt/choiros/bin";
const LINK = `${BIN}/hypervisor`;
const UNIT = "hypervisor.service";

describe("links", function () {
  this.timeout(120_000);
  const prod = Prod.onceSettled();
  /** hypervisor 1.4.0, 1.5.0, and 1.6.0, which answers 503. */
  let old: string;
  let good: string;
  let sick: string;

  before("prod runs the hypervisor from a link", async function () {
    this.timeout(300_000);
    [old, good, sick] = (await Promise.all(["bridge", "bridge-b", "bridge-503"].map(bring))) as [
      string,
      string,
      string,
    ];
    await prod.host.must(["mkdir", "-p", BIN]);
    const said = await prod.activate("bridge", { links: links(old) });
    assert.equal(said.outcome, "committed", said.reason ?? "");
  });
  beforeEach(async () => {
    if ((await leads()) !== file(old) || (await runs()) !== old) {
      await prod.sh(`rm -f ${LINK}; ln -s ${file(old)} ${LINK}; systemctl restart ${UNIT}`);
    }
  });

  /** The hypervisor of a tag, valid on prod. */
  async function bring(tag: string): Promise<string> {
    const { rev, components } = await prod.releases.resolve(tag, {
      components: { hypervisor: "hypervisor" },
    });
    const { paths } = await prod.releases.build(rev, {
      hypervisor: components["x86_64-linux"]?.["hypervisor"]?.drvPath ?? "",
    });
    const { path } = (paths as Record<string, { path: string }>)["hypervisor"] ?? { path: "" };
    assert.ok("copied" in (await prod.releases.push([path])), KEY);
    return path;
  }

  const file = (component: string) => `${component}/bin/hypervisor`;
  function links(component: string, more: More = {}): More {
    return {
      directory: BIN,
      files: { hypervisor: file(component) },
      components: [component],
      restart: [UNIT],
      ...more,
    };
  }
  const relink = (component: string, more: More = {}) =>
    prod.activate(undefined, { strategy: "links", links: links(component), ...more });
  /** On trial, and not healthy for long enough. */
  const relinkToHealth = (component: string) =>
    prod.beginTo("health", undefined, {
      ...{ strategy: "links", links: links(component), probes: SOAKING },
    });

  const leads = async () => (await prod.host.exec(["readlink", LINK])).stdout.trim();
  const look = () => prod.look({ links: { directory: BIN, names: ["hypervisor"] } });
  async function runs(): Promise<string | undefined> {
    const unit = (await look()).units[UNIT];
    return unit?.active === "active"
      ? unit.runs.find((path) => path.includes("hyperv"))
      : undefined;
  }
  async function isAsBefore(): Promise<void> {
    assert.equal(await leads(), file(old));
    assert.equal(await runs(), old);
    const state = await look();
    assert.equal(state.linksOnTrial, null);
    assert.deepEqual(state.failedUnits, []);
    assert.deepEqual(transactionRoots(state), []);
    assert.deepEqual(
      (await prod.sh(`ls -A ${BIN}`)).trim(),
      "hypervisor",
      "nothing is left beside it",
    );
  }

  it("alone: replaces the link, restarts the unit, proves it, and switches no system", async () => {
    const before = await prod.look();
    const said = await relink(good);
    assert.equal(said.outcome, "committed", said.reason ?? "");
    assert.deepEqual(stepsOf(said), [
      "preflight",
      ...["links", "restart", "health", "await-confirmation", "commit"],
    ]);
    assert.equal(said.switch, null);
    assert.deepEqual(said.links, [
      { name: "hypervisor", before: file(old), after: file(good), kept: null },
    ]);
    assert.equal(await leads(), file(good));
    assert.equal(await runs(), good);
    const { units, links: seen, ...after } = await look();
    assert.equal(units[UNIT]?.memberOf, true);
    assert.deepEqual(seen, { hypervisor: file(good) });
    assert.deepEqual(
      [after.currentSystem, after.profile],
      [before.currentSystem, before.profile],
      "the system is untouched",
    );
    const pointers = z.object({ links: z.record(z.string(), z.string().nullable()) });
    const told = z.object({ before: pointers, after: pointers }).parse(after.ledger);
    assert.deepEqual(
      [told.before.links, told.after.links],
      [{ hypervisor: file(old) }, { hypervisor: file(good) }],
      "the ledger has where it led, and where it leads",
    );
  });

  it("holds what the link leads to, and what it led to before, against a garbage collection", async () => {
    await relink(good);
    await prod.sh("nix-store --add /etc/hostname");
    for (const path of await dead()) assert.ok(path !== good && path !== old, path);
    await ask(prod.host, "forget", {});
    assert.ok((await dead()).includes(old), "given up, what ran before is free");
    assert.ok(!(await dead()).includes(good), "given up, what runs is still held");
    await prod.sh(`ln -sfT ${file(old)} ${LINK}`);
    assert.ok((await dead()).includes(good), "until the link leads elsewhere");
    await bring("bridge-b");
    assert.equal((await prod.activate("bridge", { links: links(old) })).outcome, "committed");
  });
  async function dead(): Promise<string[]> {
    // The processes themselves hold what they run.
    await prod.sh(`systemctl stop ${UNIT}`);
    const said = await prod.sh("nix-store --gc --print-dead");
    assert.match(said, /-hostname\n/, "there is garbage at all");
    return said.split("\n");
  }

  it("goes back when it is not healthy, and restarts again", async () => {
    const said = await relink(sick);
    isRolledBack(said, "health", /^hypervisor is not healthy: 503\.$/);
    assert.equal(said.rollback, null);
    assert.match(said.diagnostics ?? "", /hypervisor 1\.6\.0 listens/);
    await isAsBefore();
  });

  it("goes back when nobody confirms, and when it is cancelled", async () => {
    isRolledBack(await relink(good, { confirm: true }), "await-confirmation", /No confirmation/);
    await isAsBefore();
    const job = await relinkToHealth(good);
    assert.equal(await runs(), good, "it was on trial");
    await ask(prod.host, "cancel", { id: job.id });
    await eventually(
      "it has ended",
      async () => (await follow(prod.host, job.id)).state === "finished",
    );
    await isAsBefore();
  });

  it("goes back when the unit does not start", async () => {
    const broken = await program("#!/bin/sh\nexit 3\n");
    isRolledBack(await relink(broken), "restart", /Units could not be restarted: hypervisor/);
    await isAsBefore();
  });

  it("goes back although systemd would refuse to start the unit once more", async () => {
    const crashing = await program("#!/bin/sh\nexit 3\n");
    const limits = `/run/systemd/system/${UNIT}.d`;
    await prod.sh(`mkdir -p ${limits}
printf '[Unit]\\nStartLimitBurst=1\\nStartLimitIntervalSec=300\\n' >${limits}/limits.conf
systemctl daemon-reload`);
    try {
      const said = await relink(crashing);
      assert.equal(said.outcome, "rolled-back", said.reason ?? "");
      const again = await prod.host.exec(["systemctl", "restart", UNIT]);
      assert.notEqual(again.code, 0, "it would have been refused");
      assert.match(await prod.sh("journalctl --unit=hypervisor --lines=20"), /too quickly/);
    } finally {
      await prod.sh(
        `rm -r ${limits} && systemctl daemon-reload && systemctl reset-failed ${UNIT} && systemctl restart ${UNIT}`,
      );
    }
    await isAsBefore();
  });

  it("leaves a unit stopped that was stopped before", async () => {
    await prod.sh(`systemctl stop ${UNIT}`);
    const said = await relink(sick);
    assert.equal(said.outcome, "rolled-back");
    assert.equal((await look()).units[UNIT]?.active, "inactive");
    await prod.sh(`systemctl start ${UNIT}`);
    await isAsBefore();
  });

  it("keeps a regular file that was there: back in its place, or for good", async () => {
    const script = "#!/bin/sh\nexec /usr/bin/python3 -IS /opt/choiros/hypervisor\n";
    await prod.sh(`cp ${old}/libexec/hypervisor /opt/choiros/hypervisor`);
    const put = `rm ${LINK}; printf '${script.replaceAll("\n", "\\n")}' >${LINK}; chmod 755 ${LINK}`;
    await prod.sh(put);
    const before = await prod.sh(`stat -c '%a %U %Y' ${LINK}; cat ${LINK}`);
    isRolledBack(await relink(sick), "health", /503/);
    assert.equal(await prod.sh(`stat -c '%a %U %Y' ${LINK}; cat ${LINK}`), before);

    const said = await relink(good);
    assert.equal(said.outcome, "committed", said.reason ?? "");
    const kept = said.links?.[0]?.kept ?? "";
    assert.equal(said.links?.[0]?.before, "(no link)");
    assert.equal(await prod.sh(`stat -c '%a %U %Y' ${kept}; cat ${kept}`), before);
    assert.equal((await relink(old)).outcome, "committed");
    assert.equal(await prod.sh(`cat ${kept}`), script, "also after the next one");
  });

  it("takes a link away again where there was none", async () => {
    await prod.sh(`systemctl stop ${UNIT}; rm ${LINK}`);
    assert.equal((await relink(sick)).outcome, "rolled-back");
    assert.notEqual((await prod.host.exec(["test", "-L", LINK])).code, 0);
  });

  it("finds out that a process does not run what the link leads to", async () => {
    const said = await relink(good, { links: links(good, { restart: [] }) });
    isRolledBack(
      said,
      "health",
      /process \d+ runs \S+-hypervisor-1\.4\.0, which is not in the release/,
    );
    await isAsBefore();
  });

  it("repairs a link that was changed by hand, and a unit that was not restarted", async () => {
    await prod.sh(`ln -sfT ${file(good)} ${LINK}`);
    assert.deepEqual((await look()).links, { hypervisor: file(good) });
    assert.equal((await look()).units[UNIT]?.memberOf, false);
    const said = await relink(good);
    assert.equal(said.outcome, "committed", said.reason ?? "");
    assert.equal(await runs(), good);
  });

  it("restarts nothing where nothing changes", async () => {
    const before = await prod.invocations();
    assert.equal((await relink(old)).outcome, "committed");
    assert.deepEqual(await prod.invocations(), before);
  });

  it("immediate asks nobody; dry-activate only tells", async () => {
    const shown = await relink(good, { mode: "dry-activate" });
    assert.equal(shown.outcome, "shown", shown.reason ?? "");
    assert.equal(
      shown.shown,
      `would link ${LINK} -> ${file(good)} (now ${file(old)})\nwould restart what runs from the links: ${UNIT}\n`,
    );
    await isAsBefore();
    const said = await relink(good, { mode: "immediate", confirm: true });
    assert.equal(said.outcome, "committed", said.reason ?? "");
    assert.deepEqual(stepsOf(said).at(-1), "record");
    assert.equal(await runs(), good);
  });

  it("with a closure: links first, then the switch, and one restart for both", async () => {
    const before = await invocation();
    const said = await prod.activate("bridge-b", { links: links(good) });
    assert.equal(said.outcome, "committed", said.reason ?? "");
    assert.deepEqual(stepsOf(said).slice(1, 4), ["links", "test", "restart"]);
    assert.equal(await runs(), good);
    assert.notEqual(await invocation(), before);
    const back = await prod.activate("bridge-503", { links: links(sick) });
    isRolledBack(back, "health", /503/);
    assert.equal(await leads(), file(good));
    assert.equal(await runs(), good);
    assert.equal((await look()).currentSystem, await prod.releases.onProd("bridge-b"));
    assert.equal((await prod.activate("bridge", { links: links(old) })).outcome, "committed");
  });

  it("with a closure that is refused: the links are as before, and nothing is restarted", async () => {
    const before = await prod.invocations();
    const said = await prod.activate("bad-check", { links: links(good) });
    assert.equal(said.outcome, "refused");
    assert.deepEqual(stepsOf(said), ["preflight", "links", "test", "put-back"]);
    await isAsBefore();
    assert.deepEqual(await prod.invocations(), before);
  });

  it("cut off: what is on trial is seen, and the next failure goes back to what was proven", async () => {
    const job = await relinkToHealth(good);
    await prod.host.powerCut();
    await prod.host.boot();
    assert.equal(await leads(), file(good), "links are not part of what a reboot takes back");
    assert.equal((await look()).linksOnTrial, job.id);
    assert.equal((await relink(sick, { mode: "dry-activate" })).outcome, "shown");
    assert.equal((await look()).interrupted?.id, job.id, "a dry run is no news");
    isRolledBack(await relink(sick), "health", /503/);
    await isAsBefore();
  });

  it("refuses what could not work, before anything is touched", async () => {
    const plain = await program("#!/bin/sh\n", "644");
    const directory = await program("#!/bin/sh\n", "755", "hypervisor/x");
    const cases: [More, RegExp][] = [
      [{ directory: "/opt/nowhere" }, /\/opt\/nowhere is not a directory on the host/],
      [{ directory: LINK }, /is not a directory on the host/],
      [{ files: { hypervisor: file(good) }, components: [old] }, /not a file of a component/],
      [{ files: { hypervisor: "/usr/bin/true" } }, /not a file of a component/],
      [{ files: { hypervisor: `${good}/../x` } }, /not a file of a component/],
      [{ files: { hypervisor: `${good}/bin/nothing` } }, /no executable file is there/],
      [{ files: { hypervisor: file(plain) }, components: [plain] }, /no executable file is there/],
      [{ files: { hypervisor: file(directory) }, components: [directory] }, /no executable file/],
      [
        { components: [`/nix/store/${"a".repeat(32)}-nowhere`, good] },
        /Not valid in the store of the host: \S+-nowhere/,
      ],
      [{ restart: ["nothing.service"] }, /there is no unit nothing\.service/],
    ];
    const before = await prod.invocations();
    for (const [more, reason] of cases) {
      const said = await relink(good, { links: links(good, more) });
      assert.equal(said.outcome, "refused", JSON.stringify(more));
      assert.deepEqual(stepsOf(said), ["preflight"]);
      assert.match(said.reason ?? "", reason);
    }
    await prod.sh(`rm ${LINK}; mkdir ${LINK}`);
    assert.match((await relink(good)).reason ?? "", /is a directory, which a link cannot replace/);
    await prod.sh(`rmdir ${LINK}; ln -s ${file(old)} ${LINK}`);
    await isAsBefore();
    assert.deepEqual(await prod.invocations(), before);
  });

  it("refuses an argument that makes no sense", async () => {
    const hostile = "$(touch /tmp/owned)";
    const cases: [More, RegExp][] = [
      [{ links: links(good, { files: { "../x": file(good) } }) }, /\[links\.files\] may hold/],
      [{ links: links(good, { files: { [hostile]: file(good) } }) }, /\[links\.files\] may hold/],
      [
        { links: links(good, { directory: "relative" }) },
        /\[links\.directory\] is not an absolute/,
      ],
      [{ links: links(good, { directory: "/opt/../etc" }) }, /\[links\.directory\] is not/],
      [{ links: links(good, { restart: ["*"] }) }, /\[links\.restart\.0\] is not the name/],
      [{ links: null }, /\[links\.files\] is missing/],
      [{ mode: "test" }, /\[mode\] test cannot go with \[links\]/],
      [{ mode: "boot" }, /\[mode\] boot cannot go with \[links\]/],
    ];
    for (const [more, reason] of cases) {
      const argument = { strategy: "links", links: links(good), ...more };
      const { result } = await run(prod.host, await prod.job(undefined, argument));
      assert.match(JSON.stringify(result), reason, JSON.stringify(more));
    }
    await isAsBefore();
  });

  it("takes a strange directory for what it is", async () => {
    const strange = `/opt/choiros/$(touch /tmp/owned) 'a"b`;
    await prod.host.must(["mkdir", "-p", strange]);
    const said = await relink(old, { links: links(old, { directory: strange, restart: [] }) });
    assert.equal(said.outcome, "committed", said.reason ?? "");
    const made = await prod.host.must(["readlink", `${strange}/hypervisor`]);
    assert.equal(made.trim(), file(old));
    assert.notEqual((await prod.host.exec(["test", "-e", "/tmp/owned"])).code, 0);
  });

  async function invocation(): Promise<string> {
    return prod.host.must(["systemctl", "show", "--value", "-p", "InvocationID", UNIT]);
  }

  /** A component with bin/hypervisor of this text, made on prod itself. */
  async function program(text: string, access = "755", name = "hypervisor"): Promise<string> {
    const script = `rm -rf /tmp/made && mkdir -p "$(dirname "/tmp/made/bin/$3")"
      printf %s "$1" >"/tmp/made/bin/$3" && chmod "$2" "/tmp/made/bin/$3" && nix-store --add /tmp/made`;
    const argv: Argument[] = ["bash", "-euc", script, "bash", text, access, name];
    return (await prod.host.must(argv as string[])).trim();
  }
});
