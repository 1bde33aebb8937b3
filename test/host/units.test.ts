// What a transaction says that a switch did to units, beside what systemd itself says.
import assert from "node:assert/strict";
import { history } from "../../contract/ledger.ts";
import type { UnitChange } from "../../contract/unit-changes.ts";
import type { Verdict } from "../../contract/verdict.ts";
import { ask } from "./on-host.ts";
import { Prod } from "./prod.ts";

const PLANNED = {
  ...{ stop: [], start: [], reload: [] },
  restart: ["container@sandbox-dev.service", "hypervisor.service"],
};

describe("the units of a switch", function () {
  this.timeout(240_000);
  const prod = Prod.alwaysSettled();

  const invocation = (unit: string) =>
    prod.sh(`systemctl show --value -p InvocationID ${unit}`).then((text) => text.trim());
  const activeSince = async (unit: string) => {
    const show = `date -d "$(systemctl show --timestamp=us+utc --value -p ActiveEnterTimestamp ${unit})" +%s%3N`;
    return Number(await prod.sh(show));
  };
  const changeOf = (said: Verdict, unit: string): UnitChange | undefined =>
    said.units?.changed.find((change) => change.unit === unit);

  it("are those that systemd runs anew, with the time at which it has; the ledger has them with the plan", async () => {
    const before = await invocation("hypervisor.service");
    const live = await invocation("container@sandbox-live.service");
    const said = await prod.activate("b", { planned: PLANNED });
    assert.equal(said.outcome, "committed", said.reason ?? "");
    assert.notEqual(await invocation("hypervisor.service"), before);
    assert.equal(await invocation("container@sandbox-live.service"), live);
    const { units } = said;
    assert.ok(units);
    assert.deepEqual(
      units.changed.map(({ unit, change, state }) => `${unit} ${change} ${state}`).sort(),
      PLANNED.restart.map((unit) => `${unit} restarted active`),
    );
    const real = changeOf(said, "hypervisor.service");
    assert.ok(real && real.from !== null && real.to !== null && real.from <= real.to);
    const [at, told] = [await activeSince("hypervisor.service"), units.began + real.to];
    assert.ok(Math.abs(at - told) <= 2, `active since ${at}, told ${told}`);
    assert.ok(at >= units.began && at <= units.ended);
    const [record] = history.parse(await ask(prod.host, "history", { limit: 1 })).records;
    assert.deepEqual([record?.id, record?.units], [said.id, units]);
    assert.deepEqual(units.planned, PLANNED);
  });

  it("are told of what starts, stops and comes back; without a plan that is null", async () => {
    await prod.sh("systemctl stop hypervisor.service");
    const said = await prod.activate("new-unit");
    assert.equal(said.outcome, "committed", said.reason ?? "");
    assert.equal(said.units?.planned, null);
    assert.equal(changeOf(said, "hypervisor.service")?.change, "started");
    const started = said.units?.changed.filter(({ change }) => change === "started") ?? [];
    assert.ok(started.length >= 2, JSON.stringify(said.units));
    const back = await prod.activate("a");
    const gone = back.units?.changed.filter(({ change }) => change === "stopped") ?? [];
    const names = ({ unit }: UnitChange) => unit;
    const others = started.map(names).filter((unit) => unit !== "hypervisor.service");
    assert.deepEqual(gone.map(names).sort(), others.sort());
  });

  it("are of a switch that was rolled back, too, and not of the way back", async () => {
    const said = await prod.activate("c-503", { planned: PLANNED });
    assert.equal(said.outcome, "rolled-back");
    assert.equal(changeOf(said, "hypervisor.service")?.change, "restarted");
    assert.ok((said.units?.ended ?? 0) <= said.finishedAt * 1000 + 999);
  });

  it("are none of what moves beside the switch: sessions, transient units, our own jobs", async () => {
    const noise =
      "for i in $(seq 60); do systemd-run --quiet --collect --unit noise-$i true; sleep 0.1; done";
    await prod.sh(`systemd-run --quiet --unit noise bash -c '${noise}'`);
    const said = await prod.activate("b", { planned: PLANNED });
    assert.equal((await prod.sh("journalctl -q -u 'noise-*' -n 1")) !== "", true, "it has run");
    assert.deepEqual(said.units?.changed.map(({ unit }) => unit).sort(), PLANNED.restart);
    await prod.sh("systemctl stop noise.service 2>/dev/null || true");
  });
});
