import assert from "node:assert/strict";
import type { Accounts } from "../../contract/description.ts";
import type { AccountChanges, EtcChanges } from "../../contract/plan.ts";
import { accountChanges } from "../../providers/nixos/plan/accounts.ts";
import { etcText, namedChanges, usersText } from "../../providers/nixos/plan/changes-text.ts";
import { etcChanges } from "../../providers/nixos/plan/etc.ts";

const of = (users: Accounts["users"], groups: Accounts["groups"] = {}): Accounts => ({
  ...{ by: "users-groups", users, groups },
});
const NONE: AccountChanges = { added: [], removed: [], changed: [] };
const NO_FILES: EtcChanges = { added: [], removed: [], changed: [] };

describe("users and groups in a plan", () => {
  const root = { uid: 0, shell: "/nix/store/aaa-bash-5.2/bin/bash", hidden: "d1" };

  it("are new, gone or changed by name, in order", () => {
    const changes = accountChanges(
      of({ root, carol: {}, bob: { uid: 2 } }),
      of({ root, zoe: {}, alice: {}, bob: { uid: 3, home: "/home/bob" } }),
      "users",
    );
    assert.deepEqual(changes, {
      ...{ added: ["alice", "zoe"], removed: ["carol"] },
      changed: [{ name: "bob", what: ["home", "uid"] }],
    });
  });

  it("tell of a password that it is another one, and not what it is", () => {
    const changes = accountChanges(of({ root }), of({ root: { ...root, hidden: "d2" } }), "users");
    assert.deepEqual(changes?.changed, [{ name: "root", what: ["password"] }]);
    const gone = accountChanges(of({ root }), of({ root: { uid: 0, shell: root.shell } }), "users");
    assert.deepEqual(gone?.changed, [{ name: "root", what: ["password"] }]);
  });

  it("have not changed because a package has", () => {
    const newer = { ...root, shell: "/nix/store/bbb-bash-5.3/bin/bash" };
    assert.deepEqual(accountChanges(of({ root }), of({ root: newer }), "users"), NONE);
    const other = { ...root, shell: "/nix/store/bbb-zsh/bin/zsh" };
    assert.deepEqual(accountChanges(of({ root }), of({ root: other }), "users")?.changed, [
      { name: "root", what: ["shell"] },
    ]);
  });

  it("say who joins a group and who leaves it, in either form", () => {
    const joined = [{ name: "wheel", what: ["+alice", "-bob"] }];
    const list = (...members: string[]) => of({}, { wheel: { members } });
    assert.deepEqual(
      accountChanges(list("bob", "root"), list("root", "alice"), "groups")?.changed,
      joined,
    );
    const text = (members: string) => of({}, { wheel: { members } });
    assert.deepEqual(
      accountChanges(text(" bob root"), text(" root alice"), "groups")?.changed,
      joined,
    );
  });

  it("are compared by what both say, where they come to be in another way", () => {
    const before = of({ root, bob: { uid: 2, homeMode: "700" } });
    const after = { ...of({ root: { uid: 0 }, bob: { uid: 3 } }), by: "userborn" };
    assert.deepEqual(accountChanges(before, after, "users"), {
      ...NONE,
      changed: [{ name: "bob", what: ["uid"] }],
    });
  });

  it("are not known if one of the two systems does not say", () => {
    for (const silent of [null, undefined, { by: "users-groups" }]) {
      assert.equal(accountChanges(silent, of({}), "users"), null);
      assert.equal(accountChanges(of({}), silent, "groups"), null);
    }
  });
});

describe("files below /etc in a plan", () => {
  it("are new, gone or from elsewhere", () => {
    const before = { issue: "aaa", "ssh/ssh_config": "bbb 0600 +0 +0", hosts: "ccc" };
    const after = { issue: "aaa", "ssh/ssh_config": "bbb 0644 +0 +0", motd: "ddd" };
    assert.deepEqual(etcChanges(before, after), {
      ...{ added: ["motd"], removed: ["hosts"], changed: ["ssh/ssh_config"] },
    });
    assert.equal(etcChanges(undefined, after), null);
  });
});

describe("users and /etc in one line each", () => {
  it("are told by name, the new ones first", () => {
    const users = { added: ["alice"], removed: ["carol"], changed: [] };
    const changed = [{ name: "wheel", what: ["+alice"] }];
    assert.equal(
      usersText(users, { ...NONE, changed }),
      "new alice; gone carol; groups: changed wheel (+alice)",
    );
    assert.equal(usersText(NONE, { ...NONE, added: ["operators"] }), "groups: new operators");
    assert.equal(
      etcText({ added: ["motd"], removed: ["hosts"], changed: ["issue"] }),
      "new motd; changed issue; gone hosts",
    );
  });

  it("are left out if nothing changes, and said to be unknown if nobody knows", () => {
    assert.equal(usersText(NONE, NONE), undefined);
    assert.equal(etcText(NO_FILES), undefined);
    assert.match(usersText(null, NONE) ?? "", /^not known/);
    assert.match(etcText(null) ?? "", /^not known/);
  });

  it("are cut when there are many, with their number", () => {
    const names = Array.from({ length: 11 }, (_, index) => `u${index}`);
    assert.equal(
      usersText({ ...NONE, added: names }, NONE),
      "new u0, u1, u2, u3, u4, u5, u6, u7 and 3 more",
    );
  });

  it("are all in a table", () => {
    const users = { added: ["alice"], removed: [], changed: [{ name: "root", what: ["uid"] }] };
    const etc = { added: [], removed: ["issue"], changed: ["hosts"] };
    assert.deepEqual(namedChanges({ users, groups: null, etc }), [
      { kind: "user", name: "alice", happens: "new" },
      { kind: "user", name: "root", happens: "changed: uid" },
      { kind: "/etc", name: "hosts", happens: "changed" },
      { kind: "/etc", name: "issue", happens: "gone" },
    ]);
  });
});
