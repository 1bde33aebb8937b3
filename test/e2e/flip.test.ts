import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { ask } from "../host/on-host.ts";
import { FILE, UNIT } from "../support/proxy.ts";
import { Load, Swap } from "./swap.ts";
import { eventually, invocations, touched } from "./world.ts";

describe("the swap of two hosts behind a proxy", function () {
  this.timeout(300_000);
  let swap: Swap;
  let a: string;

  before("grind and prod run release a; spare stands by", async function () {
    this.timeout(400_000);
    swap = await Swap.open();
    a = ((await swap.world.profile("prod")).inputs.rev ?? "").slice(0, 12);
  });

  after("the lab goes", () => swap?.close());

  async function active(): Promise<unknown> {
    const { stdout } = await swap.world.project.must([
      "stack",
      "output",
      "--json",
      "--stack",
      "traffic",
    ]);
    return (JSON.parse(stdout) as { traffic: { active: unknown } }).traffic.active;
  }

  const settings = () =>
    readFileSync(`${swap.world.project.directory}/Pulumi.traffic.yaml`, "utf8");
  const flip = async (to: string, code: number) => {
    const ended = await swap.world.project.promote(["traffic", "--to", to, "--yes"]);
    assert.equal(ended.code, code, ended.output);
    return ended.output.replace(/\s+/g, " ");
  };
  const activeIn = () => /active: (\w+)/.exec(settings())?.[1];

  it("begins with a proxy that gets to know who is active", async () => {
    assert.equal(await swap.served(), "503");
    const preview = await swap.preview();
    assert.match(preview, /\+ .*nixos:index:Front +traffic-front +create/);
    assert.equal(await swap.served(), "503");
    await swap.up();
    assert.equal(await swap.served(), "prod");
    assert.equal(await active(), "prod");
    assert.match((await swap.up()).output, /2 unchanged|3 unchanged/);
  });

  it("is refused, in a preview already, while the other has never been seen to be healthy", async () => {
    swap.activate("spare");
    for (const verb of ["preview", "up"] as const)
      assert.match(
        await swap.failing(verb),
        /\[traffic\.active\] standby does not say that it runs spare healthy\. No traffic was moved: it goes to prod \(http:\S+:80\)\. Run `pulumi up --stack standby` first\./,
      );
    assert.equal(await swap.served(), "prod");
  });

  it("is refused while it has not been healthy for long enough", async () => {
    await swap.up("standby");
    swap.configure("drainSeconds", "minHealthySeconds: 3600\n    drainSeconds");
    assert.match(
      await swap.failing("preview"),
      /\[traffic\.minHealthySeconds\] spare runs release \w{12} healthy for \d+ s, and 3600 s are asked for\. Run again after .* No traffic was moved/,
    );
    swap.configure("minHealthySeconds: 3600\n    ", "");
  });

  it("is previewed as one update, which says from whom to whom, and changes nothing", async () => {
    const [file, before] = [await swap.file(), await invocations(swap.proxy)];
    const preview = await swap.preview();
    assert.match(preview, /~ .*nixos:index:Front +traffic-front +update +\[diff: ~active/);
    assert.match(preview, /Public traffic goes from prod \(http:\S+:80\) to spare \(http:\S+:80\)/);
    assert.match(preview, new RegExp(`release +${a}`));
    assert.match(preview, /before +spare passes hypervisor-unit, hypervisor, /);
    assert.match(preview, /Resources:\n +~ 1 to update\n +\d unchanged/);
    assert.equal(await swap.file(), file);
    assert.deepEqual(touched(before, await invocations(swap.proxy)), []);
    assert.equal(await swap.served(), "prod");
  });

  it("loses no request of people who ask all the time, and again when they are cut off, there and back", async () => {
    const load = new Load(swap.url);
    const { output } = await swap.up();
    assert.match(output, /Public traffic goes to spare \(\S+\), and did to prod \(\S+\)\./);
    assert.equal(await swap.served(), "spare");
    swap.activate("prod");
    await swap.up();
    assert.equal(await swap.served(), "prod");
    const { answered, slowest } = await load.end();
    console.error(
      `      ${answered} answered, the slowest after ${slowest} ms; ${load.again} asked again, ${load.failed.length} failed`,
    );
    assert.deepEqual(load.failed, []);
    assert.ok(load.again <= answered / 100, `${load.again} of ${answered} had to ask again`);
    for (const host of [swap.prod, swap.spare])
      assert.ok((load.served.get(`${host.address}:80`) ?? 0) > 50, `${host.name} was not asked`);
    assert.deepEqual([...load.served.keys()].length, 2);
  });

  it("is refused before traffic moves when the other is not healthy now", async () => {
    swap.activate("spare");
    const file = await swap.file();
    await swap.spare.must(["systemctl", "stop", "hypervisor.service"]);
    const output = await swap.failing("up");
    assert.match(
      output,
      /\[traffic\.active\] spare is not fit to be active: hypervisor-unit is not healthy: inactive \(dead\)\. No traffic was moved: it goes to prod \(\S+\)\. Run `pulumi up --stack standby` first\./,
    );
    assert.equal(await swap.file(), file);
    await swap.spare.must(["systemctl", "start", "hypervisor.service"]);
  });

  it("is refused before traffic moves when the other cannot be asked", async () => {
    const file = await swap.file();
    await swap.spare.cutNetwork();
    const output = await swap.failing("up");
    await swap.spare.restoreNetwork();
    assert.match(
      output,
      /\[traffic\.active\] spare could not be seen to be healthy\. No traffic was moved: it goes to prod/,
    );
    assert.equal(await swap.file(), file);
  });

  it("is undone when people do not get the other's answers, and says where traffic goes", async () => {
    const file = await swap.file();
    swap.configure("^%target%$", "^nobody %target%$");
    const output = await swap.failing("up");
    assert.match(
      output,
      /spare did not get public traffic for good: the smoke test public failed, seen from the operator's machine: 200, but the header x-served-by does not match: [\d.]+:80\./,
    );
    assert.match(
      output,
      /It was taken back: traffic goes to prod \(\S+\)\. Mend it, and run `pulumi up` again\./,
    );
    assert.match(output, /The same does not hold for prod either/);
    assert.equal(await swap.file(), file);
    assert.equal(await swap.served(), "prod");
    assert.equal(await active(), "prod");
    const { outputs } = await swap.world.recordedOf("traffic", "nixos:index:Front");
    assert.deepEqual([outputs?.["active"], outputs?.["trial"]], ["prod", false]);
    swap.configure("^nobody %target%$", "^%target%$");
    assert.match(await swap.preview(), /~ .*traffic-front +update/);
  });

  it("cannot be told when nobody reaches the proxy", async () => {
    await swap.proxy.cutNetwork();
    const output = await swap.failing("preview");
    await swap.proxy.restoreNetwork();
    assert.match(output, /\[traffic\.proxy\] .*choiros-proxy/);
    await eventually("the proxy is back", async () => (await swap.served()) === "prod");
  });

  it("is proven when it was cut off, or taken back", async () => {
    const target = (host: { address: string }) => `http://${host.address}:80`;
    const cutOff = () =>
      ask(swap.proxy, "move-front", {
        ...{ file: FILE, unit: UNIT, step: "move", host: "spare" },
        ...{ was: target(swap.prod), to: target(swap.spare) },
      });
    await cutOff();
    assert.match(
      await swap.preview(),
      /A flip to spare \(\S+\) was cut off, and has not been proven/,
    );
    swap.configure("^%target%$", "^nobody %target%$");
    assert.match(await swap.failing("up"), /It was taken back: traffic goes to prod/);
    assert.equal(await swap.served(), "prod");
    swap.configure("^nobody %target%$", "^%target%$");
    await cutOff();
    await swap.up();
    assert.equal(await swap.served(), "spare");
    assert.doesNotMatch(await swap.preview(), /traffic-front +update/);
  });

  it("by the command goes to the other, and its settings say so", async () => {
    assert.match(await flip("prod", 0), /Public traffic goes to prod \(\S+\), and did to spare/);
    assert.deepEqual([await swap.served(), activeIn()], ["prod", "prod"]);
  });

  it("by the command is as before when people do not get the other's answers: the proxy has gone back", async () => {
    swap.configure("^%target%$", "^nobody %target%$");
    const text = settings();
    assert.match(await flip("spare", 1), /It goes to prod, and \S+ says so/);
    assert.equal(settings(), text);
    assert.equal(await swap.served(), "prod");
    swap.configure("^nobody %target%$", "^%target%$");
  });

  it("is taken back by the command when our provider was killed before it could", async () => {
    const onlyProd = `^${swap.prod.address}:80$`;
    swap.configure("^%target%$", onlyProd); // asked for ten seconds, while traffic goes to spare
    let ended = false;
    const flipping = flip("spare", 1).finally(() => {
      ended = true;
    });
    await eventually("traffic has moved", async () => (await swap.served()) === "spare" || ended);
    assert.ok(killProvider(swap.world.project.directory), "there was no provider to kill");
    assert.equal(await swap.served(), "spare");
    assert.match(await flipping, /It goes to prod, and \S+ says so/);
    assert.deepEqual([await swap.served(), activeIn()], ["prod", "prod"]);
    swap.configure(onlyProd, "^%target%$");
  });

  it("by the command goes back to where it was", async () => {
    await flip("spare", 0);
    assert.equal(await swap.served(), "spare");
  });

  it("is repaired when somebody has moved traffic by hand", async () => {
    await ask(swap.proxy, "move-front", {
      ...{ file: FILE, unit: UNIT, step: "move", host: "prod" },
      ...{ was: `http://${swap.spare.address}:80`, to: `http://${swap.prod.address}:80` },
    });
    await ask(swap.proxy, "move-front", {
      ...{ file: FILE, unit: UNIT, step: "keep", was: `http://${swap.prod.address}:80` },
    });
    assert.equal(await swap.served(), "prod");
    assert.match(await swap.preview(), /Public traffic goes from prod \(\S+\) to spare/);
    await swap.up();
    assert.equal(await swap.served(), "spare");
    swap.activate("prod");
    await swap.up();
  });

  it("takes the same release, or the one that is named", async () => {
    await swap.world.push("b");
    await swap.world.up("grind");
    await swap.up("standby");
    swap.activate("spare");
    assert.match(
      await swap.failing("preview"),
      new RegExp(
        `\\[traffic\\.active\\] prod runs release ${a}, and spare \\w{12}\\. No traffic was moved`,
      ),
    );
    const { inputs } = await swap.world.profile("standby");
    swap.configure("drainSeconds", `release: ${inputs.rev}\n    drainSeconds`);
    await swap.up();
    assert.equal(await swap.served(), "spare");
    swap.activate("prod");
    assert.match(
      await swap.failing("preview"),
      new RegExp(
        `\\[traffic\\.release\\] prod is to run release ${inputs.rev.slice(0, 12)}, and runs ${a}\\.`,
      ),
    );
  });

  it("leaves traffic where it goes when its stack is given up", async () => {
    const file = await swap.file();
    const args = ["destroy", "--yes", "--skip-preview", "--stack", "traffic"];
    const { output } = await swap.world.project.must(args);
    assert.match(
      output,
      /Public traffic goes on to http:\S+: \S+ on choiros-proxy was left as it is/,
    );
    assert.equal(await swap.file(), file);
    assert.equal(await swap.served(), "spare");
  });
});

/** Without a chance to say anything; answers whether there was one of this project. */
function killProvider(directory: string): boolean {
  const pids = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry));
  const own = pids.filter((pid) => commandOf(pid).includes(`${directory}/providers/nixos/main.ts`));
  for (const pid of own) process.kill(Number(pid), "SIGKILL");
  return own.length > 0;
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return ""; // it has ended
  }
}
