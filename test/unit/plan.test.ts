import assert from "node:assert/strict";
import type { Description } from "../../contract/description.ts";
import { knownPlan, type Plan, type Seen, unknownPlan } from "../../providers/nixos/plan/plan.ts";
import { bytesText, planText } from "../../providers/nixos/plan/text.ts";
import {
  hostState,
  OTHER_REV,
  pathOf,
  REV,
  SYSTEM_A,
  SYSTEM_B,
  systemInputs,
} from "../support/samples.ts";

const seen: Seen = {
  host: "choiros-prod",
  rev: REV,
  subject: "hypervisor: say hello",
  to: SYSTEM_B,
  state: hostState({
    currentSystem: SYSTEM_A,
    profile: SYSTEM_A,
    ledger: { release: { rev: OTHER_REV } },
  }),
  probes: systemInputs().probes,
  mode: "switch",
  drift: [],
  pending: [],
  relinked: [],
};

const toplevel = (more: Partial<Description> = {}): Description => ({
  valid: true,
  nixosVersion: "26.11",
  closure: [],
  units: {},
  kernel: "k1",
  initrd: "i1",
  kernelParams: "p1",
  initInterface: "1",
  inhibitors: "",
  ...more,
});

const plan: Plan = {
  ...unknownPlan(seen),
  built: true,
  packages: [
    { name: "desktop", from: [], to: ["2.0"], bytes: 2048 },
    { name: "hypervisor", from: ["1.4.0"], to: ["1.5.0"], bytes: -1536 },
    { name: "etc", from: ["ε"], to: ["ε"], bytes: 9000 },
    { name: "jq", from: ["1.7"], to: [], bytes: 0 },
  ],
  copy: { paths: 12, bytes: 1_300_000_000 },
  units: {
    stop: ["old.service"],
    start: ["new.service"],
    restart: ["container@sandbox-live.service", "hypervisor.service"],
    reload: ["caddy.service"],
    keep: ["container@sandbox-dev.service"],
  },
  users: { added: ["alice"], removed: [], changed: [{ name: "root", what: ["password"] }] },
  groups: { added: [], removed: [], changed: [{ name: "wheel", what: ["+alice"] }] },
  etc: { added: [], removed: ["issue"], changed: [] },
  reboot: ["the kernel changes: it runs after the next reboot"],
  probes: ["hypervisor-unit", "live"],
  drift: ["hypervisor.service is failed (failed), not active"],
};

const system = (path: string) => `${path.slice(11, 18)}…${path.slice(43)}`;

describe("the plan", () => {
  it("reads as an operator needs it, most telling first", () => {
    assert.equal(
      planText(plan),
      `choiros-prod: f1dd4a000000 -> 9ace77e00000 hypervisor: say hello
  system    ${system(SYSTEM_A)} -> ${system(SYSTEM_B)}
  packages  desktop: new 2.0 (+2.0 KiB)
            hypervisor: 1.4.0 -> 1.5.0 (-1.5 KiB)
            etc: rebuilt (+8.8 KiB)
            jq: 1.7 removed
  copy      12 paths, 1.2 GiB
  stop      old.service
  restart   container@sandbox-live.service, hypervisor.service
  reload    caddy.service
  start     new.service
  keep      container@sandbox-dev.service
  users     new alice; changed root (password); groups: changed wheel (+alice)
  /etc      gone issue
  reboot    the kernel changes: it runs after the next reboot
  probes    hypervisor-unit, live
  drift     hypervisor.service is failed (failed), not active`,
    );
  });

  it("of a host that runs the release already is two lines", () => {
    const same = { ...plan, from: SYSTEM_B, drift: [] };
    assert.equal(planText(same).split("\n").length, 2);
    assert.match(planText(same), /\(no change\)$/);
  });

  it("of a release that is not built yet says what is not known", () => {
    const text = planText(unknownPlan(seen));
    assert.match(text, /packages {2}known once it is built/);
    assert.doesNotMatch(text, /restart|copy {5}/);
  });

  it("says when there is no room for the copy", () => {
    const text = planText({ ...plan, copy: { paths: 3, bytes: 2048, free: 1024 } });
    assert.match(text, /copy {6}3 paths, 2\.0 KiB, but only 1\.0 KiB are free there/);
    const enough = planText({ ...plan, copy: { paths: 3, bytes: 2048, free: 4096 } });
    assert.doesNotMatch(enough, /free there/);
  });

  it("says what comes from which cache, what the builder pushes first, and what nobody is known to have", () => {
    const sources = [
      { from: "https://near.example.com", paths: 9, bytes: 2048, filled: false },
      { from: "file:///srv/cache", paths: 2, bytes: 1024, filled: true },
      { from: null, paths: 1, bytes: 10, filled: false },
    ];
    const text = planText({ ...plan, copy: { paths: 12, bytes: 3082, sources } });
    assert.match(
      text,
      new RegExp(
        [
          "  copy      12 paths, 3.0 KiB",
          "            9 paths, 2.0 KiB from https://near.example.com",
          "            2 paths, 1.0 KiB from file:///srv/cache, which the builder fills first",
          "            1 paths, 10 B: no cache is known to have them",
          "",
        ].join("\n"),
      ),
    );
  });

  it("names the smoke tests, where there are some", () => {
    assert.match(
      planText({ ...plan, smoke: ["public", "browser"] }),
      /\n {2}smoke {5}public, browser\n/,
    );
    assert.doesNotMatch(planText(plan), /smoke/);
  });

  it("of a host that nobody managed before says so", () => {
    const text = planText({ ...plan, fromRev: null, from: null });
    assert.match(text, /^choiros-prod: unmanaged -> 9ace77e00000/);
    assert.match(text, /nothing -> /);
  });

  it("of nothing but paths says that nothing else changes", () => {
    const quiet = planText({
      ...plan,
      packages: [],
      copy: { paths: 0, bytes: 0 },
      units: unknownPlan(seen).units,
      reboot: [],
      probes: [],
    });
    assert.match(
      quiet,
      /packages {2}none\n.*nothing, all paths are there\n.*units {5}none changes\n.*probes {4}none/s,
    );
    assert.doesNotMatch(quiet, /reboot/);
  });

  it("lists twenty packages, and counts the others", () => {
    const packages = Array.from({ length: 23 }, (_, i) => ({
      name: `p${i}`,
      from: ["1"],
      to: ["2"],
      bytes: 0,
    }));
    const text = planText({ ...plan, packages });
    assert.match(text, /p19: 1 -> 2\n {12}and 3 more\n {2}copy/);
    assert.doesNotMatch(text, /p20:/);
  });

  it("knows the release that runs by the ledger, in either form, and takes nothing else for one", () => {
    const revOf = (ledger: Record<string, unknown> | null) =>
      unknownPlan({ ...seen, state: hostState({ ledger }) }).fromRev;
    assert.equal(revOf({ release: { rev: REV } }), REV);
    assert.equal(revOf({ rev: REV }), REV);
    assert.equal(revOf({ release: { rev: 12 } }), null);
    assert.equal(revOf({ release: "x" }), null);
    assert.equal(revOf(null), null);
  });

  it("counts a unit of the contract that does not run as one to start", () => {
    const units = {
      "multi-user.target": "[Unit]\n",
      "hypervisor.service": "[Service]\nExecStart=/one\n",
      "multi-user.target.wants/hypervisor.service": "-> ../hypervisor.service",
    };
    const made = knownPlan(
      seen,
      toplevel({
        units,
        states: { "multi-user.target": "active", "hypervisor.service": "inactive" },
      }),
      toplevel({ units }),
      { paths: 1, bytes: 2 },
    );
    assert.deepEqual(made.units.start, ["hypervisor.service"]);
    assert.deepEqual(made.copy, { paths: 1, bytes: 2 });
    assert.equal(made.built, true);
  });

  const reboots: [keyof Description, RegExp][] = [
    ["kernel", /kernel changes: it runs after the next reboot/],
    ["initrd", /initrd changes/],
    ["kernelParams", /kernel parameters/],
    ["initInterface", /live switch will be refused \(exit 100\)/],
    ["inhibitors", /inhibitors change/],
  ];
  for (const [field, sentence] of reboots) {
    it(`says what another ${field} means`, () => {
      const made = knownPlan(seen, toplevel(), toplevel({ [field]: "other" }), plan.copy);
      assert.equal(made.reboot.length, 1);
      assert.match(made.reboot[0] ?? "", sentence);
    });
  }

  it("does not say that nobody changes if it cannot know", () => {
    const silent = knownPlan(seen, toplevel(), toplevel(), plan.copy);
    assert.deepEqual([silent.users, silent.groups, silent.etc], [null, null, null]);
    assert.match(planText(silent), /\n {2}users {5}not known: .*\n {2}\/etc {6}not known: /);
    const said = { etc: {}, accounts: { by: "users-groups", users: {}, groups: {} } };
    const known = knownPlan(seen, toplevel(said), toplevel(said), plan.copy);
    assert.doesNotMatch(planText(known), /users|etc/);
  });

  it("shows packages of both closures", () => {
    const made = knownPlan(
      seen,
      toplevel({ closure: [[pathOf("hypervisor-1.4.0"), 10]] }),
      toplevel({ closure: [[pathOf("hypervisor-1.5.0"), 20]] }),
      plan.copy,
    );
    assert.deepEqual(made.packages, [
      { name: "hypervisor", from: ["1.4.0"], to: ["1.5.0"], bytes: 10 },
    ]);
  });
});

describe("sizes", () => {
  const table: [number, string][] = [
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [1024 ** 2, "1.0 MiB"],
    [1.2 * 1024 ** 3, "1.2 GiB"],
    [5 * 1024 ** 5, "5120.0 TiB"],
  ];
  for (const [bytes, text] of table)
    it(`${bytes} bytes are ${text}`, () => assert.equal(bytesText(bytes), text));
});
