// What `describe` tells of users, of files below /etc, and of conditions, on a real host.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type Description, description } from "../../contract/description.ts";
import { type Lab, type LabHost, openLab } from "../../lab/lab.ts";
import { accountChanges } from "../../providers/nixos/plan/accounts.ts";
import { etcChanges } from "../../providers/nixos/plan/etc.ts";
import { ask } from "./on-host.ts";

const CANARY = `$6$salt$canary${randomBytes(24).toString("hex")}`;

/** As nixpkgs writes them: one line, keys in order. */
const ALICE = {
  ...{ autoSubUidGidRange: false, createHome: true, description: 'A "quoted" {brace}, [x]: \\' },
  ...{ expires: null, group: "users", hashedPassword: CANARY, hashedPasswordFile: null },
  ...{ home: "/home/älice", homeMode: "700", initialHashedPassword: null, initialPassword: null },
  ...{ isSystemUser: false, name: "alice", password: null, shell: "/run/current-system/sw/bin/sh" },
  ...{ subGidRanges: [{ count: 1, startGid: 7 }], subUidRanges: [], uid: 1000 },
};
const NOBODY = { ...ALICE, name: "nobody", hashedPassword: null, uid: 65534, subGidRanges: [] };
const WHEEL = { gid: null, members: ["alice"], name: "wheel" };

describe("what a host tells of accounts, /etc and conditions", function () {
  this.timeout(60_000);
  let lab: Lab;
  let host: LabHost;
  let number = 0;

  before("a lab", async function () {
    this.timeout(300_000);
    lab = await openLab({ instance: process.env["TEST_LAB"] ?? "test" });
    host = lab.host("grind");
  });
  after(() => lab?.close());

  const bash = async (script: string, input = "") =>
    (await host.must(["bash", "-ec", script], { input })).trim();

  /** A store path with this content and name. */
  const file = (name: string, text: string) =>
    bash(`d=$(mktemp -d); cat >"$d/${name}"; nix-store --add "$d/${name}"`, text);

  /** A toplevel of these files, and of what a script makes in it. */
  async function toplevel(activate: string, script = ""): Promise<string> {
    number += 1;
    return bash(
      `d=$(mktemp -d)/top-${number}; mkdir -p "$d/etc/systemd/system"; cat >"$d/activate"; cd "$d"; ${script}\nnix-store --add "$d"`,
      activate,
    );
  }

  async function told(path: string, more: object = {}): Promise<Description> {
    const answer = await ask(host, "describe", { toplevel: path, accounts: "key", ...more });
    assert.ok(!JSON.stringify(answer).includes(CANARY), "the hash of a password was told");
    return description.parse(answer);
  }

  const spec = (users: object[], groups: object[] = [WHEEL]) =>
    file("users-groups.json", JSON.stringify({ groups, mutableUsers: true, users }));

  const byScript = async (users: object[]) =>
    toplevel(`#!/bin/sh\nperl -w /nix/store/aaa-update-users-groups.pl ${await spec(users)}\n`);

  it("tells the users of users-groups.json, without what is not public", async () => {
    const path = await byScript([ALICE, NOBODY]);
    assert.ok(
      (await bash(`cat $(grep -o '/nix/store/[^ ]*json' ${path}/activate)`)).includes(CANARY),
    );
    const { accounts } = await told(path);
    assert.equal(accounts?.by, "users-groups");
    assert.deepEqual(accounts?.groups, { wheel: { members: ["alice"] } });
    const { hidden, ...alice } = accounts?.users?.["alice"] ?? {};
    assert.match(String(hidden), /^[0-9a-f]{64}$/);
    assert.deepEqual(alice, {
      ...{ createHome: true, description: ALICE.description, group: "users", uid: 1000 },
      ...{ home: "/home/älice", homeMode: "700", shell: ALICE.shell },
      subGidRanges: [{ count: 1, startGid: 7 }],
    });
    assert.equal("hidden" in (accounts?.users?.["nobody"] ?? {}), false);
  });

  it("tells that a password is another one, to nobody who has not asked both", async () => {
    const same = await byScript([{ ...ALICE, uid: 1001 }]);
    const other = await byScript([{ ...ALICE, hashedPassword: "another" }]);
    const unknown = await byScript([{ ...ALICE, newSecret: "x" }]);
    const before = await told(await byScript([ALICE]));
    const changed = async (path: string) =>
      accountChanges(before.accounts, (await told(path)).accounts, "users")?.changed;
    assert.deepEqual(await changed(same), [{ name: "alice", what: ["uid"] }]);
    assert.deepEqual(await changed(other), [{ name: "alice", what: ["password"] }]);
    assert.deepEqual(await changed(unknown), [{ name: "alice", what: ["password"] }]);
    const hidden = (told: Description) => told.accounts?.users?.["alice"]?.["hidden"];
    const again = await told(await byScript([ALICE]), { accounts: "another key" });
    assert.notEqual(hidden(again), hidden(before));
  });

  it("tells the users of userborn, and of systemd-sysusers", async () => {
    const { description: says, hashedPassword, home, name, shell, uid, group } = ALICE;
    const user = {
      description: says,
      group,
      hashedPassword,
      home,
      isNormal: true,
      name,
      shell,
      uid,
    };
    const json = await file("userborn.json", JSON.stringify({ groups: [WHEEL], users: [user] }));
    const unit = `etc/systemd/system/userborn.service`;
    const born = await toplevel("", `echo "ExecStart=/bin/userborn ${json} /etc" >${unit}`);
    const userborn = (await told(born)).accounts;
    assert.equal(userborn?.by, "userborn");
    assert.equal(userborn?.users?.["alice"]?.["isNormal"], true);
    const byJson = (await told(await byScript([ALICE]))).accounts;
    assert.deepEqual(accountChanges(byJson, userborn, "users")?.changed, []);

    const conf = `# Users\nu alice 1000:users "Looks \\"after\\" it" /home/alice /bin/sh\nu! bob -:bob "" /var/empty /sbin/nologin\n\ng wheel -\nm alice wheel\nm bob wheel\n`;
    const directory = await file("00-nixos.conf", conf);
    const script = `mkdir etc/sysusers.d; ln -s ${directory} etc/sysusers.d/00-nixos.conf`;
    const { accounts } = await told(await toplevel("", script));
    assert.equal(accounts?.by, "sysusers");
    assert.deepEqual(Object.keys(accounts?.users ?? {}).sort(), ["alice", "bob"]);
    assert.deepEqual(accounts?.groups, { wheel: { gid: "-", members: " alice bob" } });
  });

  it("says so when a system tells its users in no way that is known", async () => {
    assert.equal((await told(await toplevel("#!/bin/sh\n"))).accounts, null);
    const lost = "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-users-groups.json";
    const { accounts } = await told(await toplevel(lost));
    assert.equal(accountChanges(accounts, accounts, "users"), null);
  });

  it("tells where files below /etc come from, by what mode they are copied, and no units", async () => {
    const [one, two] = [await file("one", "1"), await file("two", "2")];
    const make = (motd: string, mode: string) =>
      toplevel(
        "",
        `mkdir -p etc/ssh etc/'a "b'; ln -s ${motd} etc/motd; ln -s ${one} etc/ssh/key; echo ${mode} >etc/ssh/key.mode
         echo +0 >etc/ssh/key.uid; echo +0 >etc/ssh/key.gid; ln -s /var/x etc/'a "b'/c; ln -s ${two} etc/systemd/system/a.service`,
      );
    const before = await told(await make(one, "0600"));
    assert.deepEqual(Object.keys(before.etc ?? {}).sort(), ['a "b/c', "motd", "ssh/key"]);
    assert.match(before.etc?.["ssh/key"] ?? "", / 0600$|0600/);
    const same = await told(await make(one, "0600"));
    assert.deepEqual(etcChanges(before.etc, same.etc)?.changed, []);
    const after = await told(await make(two, "0644"));
    assert.deepEqual(etcChanges(before.etc, after.etc)?.changed, ["motd", "ssh/key"]);
    assert.deepEqual(after.units, { "a.service": "2\n" });
  });

  it("tries conditions of any system as systemd does", async () => {
    await bash(
      "mkdir -p /tmp/cond/hidden /tmp/cond/full; touch /tmp/cond/full/x /tmp/cond/hidden/.x; ln -sfn full /tmp/cond/link",
    );
    const table: [condition: string, met: boolean][] = [
      ["ConditionPathExists=/tmp/cond", true],
      ["ConditionPathExists=/tmp/cond/none", false],
      ["ConditionPathExistsGlob=/tmp/co*d/fu*", true],
      ["ConditionPathExistsGlob=/tmp/co*d/no*", false],
      ["ConditionPathIsDirectory=/tmp/cond", true],
      ["ConditionPathIsDirectory=/etc/hostname", false],
      ["ConditionPathIsSymbolicLink=/tmp/cond/link", true],
      ["ConditionPathIsSymbolicLink=/tmp/cond/full", false],
      ["ConditionFileNotEmpty=/etc/hostname", true],
      ["ConditionFileNotEmpty=/tmp/cond/full/x", false],
      ["ConditionFileIsExecutable=/usr/bin/env", true],
      ["ConditionFileIsExecutable=/etc/hostname", false],
      ["ConditionDirectoryNotEmpty=/tmp/cond/full", true],
      ["ConditionDirectoryNotEmpty=/tmp/cond/hidden", false],
    ];
    for (const [condition, met] of table) {
      const code = (await host.exec(["systemd-analyze", "condition", condition])).code;
      assert.equal(code === 0, met, `${condition}: systemd`);
    }
    const unmet = table.filter(([, met]) => !met).map(([condition]) => condition);
    const conditions = table.map(([condition]) => condition).join("\n");
    const path = await toplevel(
      "",
      `printf '[Unit]\\n%s\\n' '${conditions}' >etc/systemd/system/a.service`,
    );
    assert.deepEqual((await told(path, { conditions })).unmet, unmet);
    assert.deepEqual((await told(path, { conditionsOf: path })).unmet?.sort(), unmet.sort());
  });
});
