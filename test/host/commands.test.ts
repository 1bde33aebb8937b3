// The short commands, the build and the copy, on real hosts with a real repository.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { description } from "../../contract/description.ts";
import { hostState } from "../../contract/host-state.ts";
import type { Argument } from "../../providers/executors/argument.ts";
import { type Answer, ask, newId, run } from "./on-host.ts";
import { KEY, REPO, Releases, UNITS } from "./releases.ts";

const NOWHERE = "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-nowhere";

describe("host commands", function () {
  this.timeout(60_000);
  let on: Releases;

  before("a lab", async function () {
    this.timeout(300_000);
    on = await Releases.open(process.env["TEST_LAB"] ?? "test");
  });
  after(() => on?.close());

  const errorOf = (answer: unknown) => (answer as { error: Record<string, string> }).error ?? {};

  it("observe says what a host runs, and changes nothing", async () => {
    const before = await on.prod.must([
      "bash",
      "-c",
      "find /var/lib/nixos-promote /nix/var/nix/gcroots /run/nixos* | sort",
    ]);
    const state = hostState.parse(
      await ask(on.prod, "observe", {
        units: ["ssh.service", "nothing.service", "a\\x2db@c.service"],
        paths: [NOWHERE],
      }),
    );
    assert.equal(state.hostname, "choiros-prod");
    assert.equal(state.machineId, on.prod.machineId);
    assert.equal(state.system, "x86_64-linux");
    assert.match(state.currentSystem ?? "", /-nixos-system-choiros-prod-/);
    assert.equal(state.currentSystem, state.profile);
    assert.equal(state.currentSystem, state.bootedSystem);
    assert.equal(state.units["ssh.service"]?.active, "active");
    assert.equal(state.units["nothing.service"]?.load, "not-found");
    assert.equal(state.units["a\\x2db@c.service"]?.memberOf, null);
    assert.deepEqual(state.paths, { [NOWHERE]: false, [state.currentSystem ?? ""]: true });
    assert.equal(state.activation, null);
    const after = await on.prod.must([
      "bash",
      "-c",
      "find /var/lib/nixos-promote /nix/var/nix/gcroots /run/nixos* | sort",
    ]);
    assert.equal(after, before);
  });

  it("observe refuses what systemctl would take as a pattern or an option", async () => {
    for (const unit of ["*", "a b.service", "$(id)", "", "a\nb"]) {
      assert.equal(
        errorOf(await ask(on.prod, "observe", { units: [unit], paths: [] }))["code"],
        "bad-argument",
        unit,
      );
    }
  });

  it("resolve gives the same answer for a tag, a branch and a hash, the second time from its cache", async () => {
    const first = await on.resolve("a");
    assert.match(first.rev, /^[0-9a-f]{40}$/);
    assert.equal(first.flakeRef, `git+file://${REPO}?rev=${first.rev}`);
    assert.match(first.hosts["choiros-prod"]?.drvPath ?? "", /^\/nix\/store\/.*\.drv$/);
    for (const rev of ["main", first.rev, first.rev.slice(0, 10)]) {
      const again = await on.resolve(rev);
      assert.deepEqual({ ...again, cached: false }, { ...first, cached: false });
      assert.equal(again.cached, true);
    }
    assert.notEqual(
      (await on.resolve("b")).hosts["choiros-prod"]?.outPath,
      first.hosts["choiros-prod"]?.outPath,
    );
  });

  it("resolve says which revision, repository or attribute is not there", async () => {
    const codes: [{ [key: string]: Argument }, string, RegExp][] = [
      [{ rev: "nope" }, "unknown-revision", /no revision 'nope'/],
      [{ rev: "--all" }, "unknown-revision", /'--all'/],
      [{ rev: "$(touch /tmp/owned)" }, "unknown-revision", /touch/],
      [{ rev: "main\nmain" }, "unknown-revision", /main\?main/],
      [{ repo: "/nowhere" }, "no-such-repo", /'\/nowhere'/],
      [{ repo: "/etc" }, "no-such-repo", /not a git repository/],
      [{ rev: "no-host" }, "missing-attribute", /nixosConfigurations\.choiros-prod/],
      [{ components: { x: '${"x"}' } }, "missing-attribute", /packages\.x86_64-linux/],
    ];
    for (const [more, code, message] of codes) {
      const error = errorOf(await on.resolve("main", more));
      assert.equal(error["code"], code, JSON.stringify(more));
      assert.match(error["message"] ?? "", message);
    }
    assert.notEqual((await on.grind.exec(["test", "-e", "/tmp/owned"])).code, 0);
  });

  it("resolve works on the repository of another user, and reports what Nix says", async () => {
    await on.grind.must([
      "bash",
      "-c",
      `rm -rf '/tmp/re po' && cp -r ${REPO} '/tmp/re po' && chown -R 1000 '/tmp/re po'`,
    ]);
    const theirs = await on.resolve("main", { repo: "/tmp/re po" });
    assert.equal(
      theirs.hosts["choiros-prod"]?.outPath,
      (await on.resolve("main")).hosts["choiros-prod"]?.outPath,
    );
    const script = `cd '/tmp/re po' && echo '{ outputs = _: throw "it is broken"; }' > flake.nix &&
      git -c safe.directory='*' -c user.name=t -c user.email=t@example.com commit -qam broken`;
    await on.grind.must(["bash", "-c", script]);
    const error = errorOf(await on.resolve("HEAD", { repo: "/tmp/re po" }));
    assert.equal(error["code"], "evaluation-failed");
    assert.match(
      error["message"] ?? "",
      /^The flake could not be evaluated at this revision: it is broken\n/,
    );
  });

  it("build makes the paths that resolve promised, rooted and signed", async () => {
    const { rev, hosts } = await on.resolve("a");
    const wanted = hosts["choiros-prod"] ?? { drvPath: "", outPath: "" };
    const { paths } = (await on.build(rev, {
      "choiros-prod": wanted.drvPath,
    })) as { paths: Record<string, Answer> };
    const made = paths["choiros-prod"] ?? {};
    assert.equal(made["path"], wanted.outPath);
    assert.match(String(made["narHash"]), /^sha256-.{43}=$/);
    assert.ok(Number(made["closureSize"]) > Number(made["narSize"]));
    const { roots } = (await ask(on.grind, "root", {})) as {
      roots: Record<string, string>;
    };
    assert.equal(roots[`${rev.slice(0, 12)}-choiros-prod`], wanted.outPath);
    assert.deepEqual(
      Object.keys(roots).filter((name) => name.includes("-building")),
      [],
    );
    assert.match(await on.grind.must(["nix", "path-info", "--sigs", wanted.outPath]), /lab-1/);
  });

  it("build names the derivation that failed, with the end of its log", async () => {
    const { rev, hosts } = await on.resolve("no-build");
    const error = errorOf(
      await on.build(rev, {
        "choiros-prod": hosts["choiros-prod"]?.drvPath ?? "",
      }),
    );
    assert.equal(error["code"], "build-failed");
    assert.match(error["message"] ?? "", /^\/nix\/store\/\S+-desktop-\S+\.drv did not build:\n./);
  });

  it("build tells a full disk from a broken derivation", async () => {
    const expression = `derivation { name = "full"; system = "x86_64-linux"; builder = "/bin/sh";
      args = [ "-c" "/usr/bin/cp /etc/hostname /dev/full; exit 1" ]; }`;
    const drv = (await on.grind.must(["nix-instantiate", "--expr", expression])).trim();
    assert.equal(errorOf(await on.build("full", { full: drv }))["code"], "disk-full");
  });

  it("missing, push and describe: nothing missing after the copy, and the units are told", async () => {
    const toplevel = (await on.resolve("new-unit")).hosts["choiros-prod"];
    const { rev } = await on.resolve("new-unit");
    await on.build(rev, { "choiros-prod": toplevel?.drvPath ?? "" });
    const path = toplevel?.outPath ?? "";
    const there = description.parse(
      await ask(on.grind, "describe", { toplevel: path, closure: true }),
    );
    const paths = there.closure.map(([name]) => name).join("\n");
    const { missing } = (await ask(on.prod, "missing", { paths })) as {
      missing: string[];
    };
    assert.ok(missing.includes(path));
    const running = (await on.prod.must(["readlink", "-e", "/run/current-system"])).trim();
    const asked = { toplevel: running, states: true, paths };
    const told = description.parse(await ask(on.prod, "describe", asked));
    assert.deepEqual(told.missing?.sort(), [...missing].sort());
    assert.ok((told.free ?? 0) > 1048576);
    assert.equal(told.states?.["multi-user.target"], "active");
    assert.equal(
      description.parse(await ask(on.prod, "describe", { toplevel: path, closure: true })).valid,
      false,
    );

    const messages: string[] = [];
    const bytes = there.closure
      .filter(([name]) => missing.includes(name))
      .reduce((sum, [, size]) => sum + size, 0);
    const argument = {
      to: "ssh-ng://choiros-prod",
      paths: [path],
      missing: missing.length,
      bytes,
      sshOptions: [],
    };
    const copied = await run(
      on.grind,
      { id: newId("push"), command: "push", argument },
      (state) => {
        messages.push(state.message ?? "");
      },
    );
    assert.equal(copied.result?.["copied"], missing.length);
    assert.match(
      `${messages.join()}${copied.message}`,
      /copying \d+\/\d+ paths, [\d.]+ (B|KiB) left/,
    );

    assert.deepEqual((await ask(on.prod, "missing", { paths }))["missing"], []);
    assert.deepEqual(
      description.parse(await ask(on.prod, "describe", { toplevel: path, closure: true })),
      there,
    );
    const unit = await readFile(
      `${on.prod.root}${path}/etc/systemd/system/hypervisor.service`,
      "utf8",
    ).catch(() => "");
    if (unit) assert.equal(there.units["hypervisor.service"], unit);
    assert.match(there.units["hypervisor.service"] ?? "", /^\[Unit\]/);
    assert.match(there.units["multi-user.target.wants/hypervisor.service"] ?? "", /^-> /);
  });

  it("push tells unsigned paths, wrong keys and unreachable hosts apart", async () => {
    const drv = `derivation { name = "unsigned"; system = "x86_64-linux"; builder = "/bin/sh";
      args = [ "-c" "echo ${Date.now()} > $out; exit 0" ]; }`;
    const path = (await on.grind.must(["nix-build", "--no-out-link", "--expr", drv])).trim();
    assert.equal(errorOf(await on.push([path]))["code"], "untrusted-signature");
    assert.equal(
      errorOf(await on.push([path], { to: "ssh-ng://no-such-host.invalid" }))["code"],
      "unreachable",
    );
    const options = ["-o", "UserKnownHostsFile=/dev/null", "-o", "GlobalKnownHostsFile=/dev/null"];
    assert.equal(
      errorOf(
        await on.push([path], {
          sshOptions: [...options, "-o", "StrictHostKeyChecking=yes"],
        }),
      )["code"],
      "host-key",
    );
    const noKey = ["-o", "PubkeyAuthentication=no", "-o", "BatchMode=yes"];
    assert.equal(errorOf(await on.push([path], { sshOptions: noKey }))["code"], "auth");
    await on.grind.must(["nix", "store", "sign", "-k", KEY, path]);
    assert.equal((await on.push([path]))["copied"], 1);
  });

  it("push takes stores over ssh-ng alone, and nothing in their names as an option", async () => {
    for (const to of [
      "ssh://choiros-prod",
      "ssh-ng://-oProxyCommand=touch",
      "file:///tmp/x?trusted=true",
      "daemon",
      "ssh-ng://a b",
      "--to",
    ]) {
      const error = errorOf(await on.push([NOWHERE], { to }));
      assert.equal(error["code"], "bad-argument", to);
    }
  });

  it("root keeps valid paths only, under harmless names, and lets them go", async () => {
    const path = await on.onProd("a");
    const { roots } = (await ask(on.prod, "root", {
      add: { "release-1.0": path },
      remove: [],
    })) as { roots: Record<string, string> };
    assert.equal(roots["release-1.0"], path);
    assert.match(
      await on.prod.must(["nix-store", "--query", "--roots", path]),
      /nixos-promote\/release-1\.0/,
    );
    assert.equal(
      errorOf(await ask(on.prod, "root", { add: { x: NOWHERE } }))["code"],
      "invalid-path",
    );
    for (const name of ["../x", "a b", "-x", ".x", "$(id)"]) {
      assert.equal(
        errorOf(await ask(on.prod, "root", { add: { [name]: path } }))["code"],
        "bad-argument",
        name,
      );
    }
    const removed = (await ask(on.prod, "root", {
      remove: ["release-1.0", "never-was"],
    })) as { roots: Record<string, string> };
    assert.equal("release-1.0" in removed.roots, false);
  });

  it("describe copes with any bytes in a unit file", async () => {
    const bytes = Buffer.from(
      '[Service]\nEnvironment="A=\\\\x\\t$(id)"\tß\n\xff\x01 end',
      "latin1",
    );
    await writeFile(`${on.grind.root}/var/tmp/odd.service`, bytes);
    const script = `cd /var/tmp && rm -rf odd && mkdir -p odd/etc/systemd/system/x.target.wants odd/etc/systemd/system/odd.service.d &&
      cp odd.service odd/etc/systemd/system/odd.service && touch odd/etc/systemd/system/empty.service &&
      ln -s /dev/null odd/etc/systemd/system/masked.service && ln -s ../odd.service odd/etc/systemd/system/x.target.wants/odd.service &&
      echo x > odd/etc/systemd/system/odd.service.d/a.conf && nix-store --add odd`;
    const toplevel = (await on.grind.must(["bash", "-c", script])).trim();
    const told = description.parse(
      await ask(on.grind, "describe", { toplevel, closure: false, after: toplevel }),
    );
    assert.deepEqual(told.unitsAfter, told.units);
    const absent = { toplevel, after: toplevel.replace(/store\/.{32}/, `store/${"0".repeat(32)}`) };
    assert.equal(description.parse(await ask(on.grind, "describe", absent)).valid, false);
    assert.deepEqual(Object.keys(told.units).sort(), [
      "empty.service",
      "masked.service",
      "odd.service",
      "odd.service.d/a.conf",
      "x.target.wants/odd.service",
    ]);
    assert.match(told.units["odd.service"] ?? "", /Environment="A=\\\\x\\t\$\(id\)"\t/);
    assert.match(told.units["odd.service"] ?? "", / end\n$/);
    assert.equal(told.units["empty.service"], "");
    assert.equal(told.units["masked.service"], "-> /dev/null");
    assert.equal(told.units["x.target.wants/odd.service"], "-> ../odd.service");
  });

  it("observe sees which units run what the system holds", async () => {
    const path = await on.onProd("a");
    await on.prod.must([`${path}/bin/switch-to-configuration`, "test"]);
    const state = hostState.parse(await ask(on.prod, "observe", { units: UNITS, paths: [path] }));
    assert.equal(state.paths[path], true);
    assert.equal(state.currentSystem, path);
    assert.notEqual(state.profile, path);
    for (const unit of UNITS) assert.equal(state.units[unit]?.active, "active", unit);
    assert.equal(state.units["hypervisor.service"]?.memberOf, true);
    const stale = await on.onProd("stale");
    await on.prod.must([`${stale}/bin/switch-to-configuration`, "test"]);
    const after = hostState.parse(await ask(on.prod, "observe", { units: UNITS, paths: [] }));
    assert.equal(after.units["container@sandbox-live.service"]?.memberOf, false);
    await on.prod.reset();
  });
});
