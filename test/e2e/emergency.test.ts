// The way back without Pulumi, of a host whose units run from links, and with data that are backed up.
import assert from "node:assert/strict";
import type { KnownBackup } from "../../cli/backups.ts";
import { assertRuns, invocations, REPOSITORY, touched, World } from "./world.ts";

const NO_BACKEND = { env: { PULUMI_BACKEND_URL: "file:///nowhere" } };
const LINK = "/opt/choiros/bin/hypervisor";
const LINKS =
  "links: {directory: /opt/choiros/bin, files: {hypervisor: {component: hypervisor, file: bin/hypervisor}}, restart: [hypervisor.service]}";
const DATA = "data: {directories: [/opt/choiros/data], backup: always}";
const JOB = "nixos-promote-activate.service";

describe("the way back without Pulumi", function () {
  this.timeout(480_000);
  let world: World;
  let system: string;
  let systemB: string;

  before("bridge, then bridge-b, with links beside the closure", async () => {
    world = await World.open();
    for (const host of [world.grind, world.prod])
      await host.must([
        "bash",
        "-euc",
        "mkdir -p /opt/choiros/bin /opt/choiros/data; echo one >/opt/choiros/data/db",
      ]);
    for (const stack of ["grind", "prod"] as const) world.configureActivation(stack, LINKS);
    for (const revision of ["bridge", "bridge-b"]) {
      await world.push(revision);
      await world.up("grind");
      await world.up("prod");
    }
    system = await world.toplevel("bridge", world.prod);
    systemB = await world.toplevel("bridge-b", world.prod);
    assert.match(await leads(), /-hypervisor-1\.5\.0\/bin\/hypervisor$/);
  });

  after("the lab goes", () => world?.close());

  const promote = (args: readonly string[], options = {}) => world.project.promote(args, options);
  const leads = async () => (await world.prod.must(["readlink", LINK])).trim();

  async function document<T>(code: number, args: readonly string[], options = {}): Promise<T> {
    const ended = await promote([...args, "--json"], options);
    assert.equal(ended.code, code, ended.output);
    return JSON.parse(ended.stdout) as T;
  }

  /** An `up` by which Pulumi takes over what it was not there for: it starts and stops nothing. */
  async function takesIn(): Promise<void> {
    const before = await invocations(world.prod);
    const [preview, link] = [await world.preview("prod"), await leads()];
    assert.doesNotMatch(preview, /hypervisor: 1\.4\.0 -> 1\.5\.0|links +hypervisor/);
    await world.up("prod");
    assert.deepEqual(touched(before, await invocations(world.prod)), []);
    assert.equal(await leads(), link);
    assert.match(await world.preview("prod"), /unchanged\n/);
  }

  describe("01 with links beside the closure", () => {
    it("brings both back: the system, and where the links led", async () => {
      const { outcome, pin } = await document<{ outcome: string; pin: object | null }>(
        0,
        ["rollback", "--emergency", "--yes"],
        NO_BACKEND,
      );
      assert.deepEqual([outcome, pin !== null], ["rolled back", true]);
      await assertRuns(world.prod, system);
      assert.match(await leads(), /-hypervisor-1\.4\.0\/bin\/hypervisor$/);
      assert.match((await world.login(world.prod)).body, /hypervisor 1\.4\.0/);
    });

    it("is not done twice", async () => {
      const { outcome } = await document<{ outcome: string }>(
        0,
        ["rollback", "--to", "0", "--emergency", "--yes"],
        NO_BACKEND,
      );
      assert.equal(outcome, "nothing to do");
    });

    it("the next preview takes it in, and an up touches nothing", takesIn);

    it("forward again by the pin's end", async () => {
      await document(0, ["unpin"]);
      await world.up("prod");
      await assertRuns(world.prod, systemB);
      assert.match(await leads(), /-hypervisor-1\.5\.0\/bin\/hypervisor$/);
    });
  });

  describe("02 with a backup of data, as any transaction makes it", () => {
    before(() => world.configureActivation("prod", `${LINKS}, ${DATA}`));

    it("makes it first", async () => {
      await document(0, ["rollback", "--emergency", "--yes"], NO_BACKEND);
      const { backups } = await document<{ backups: KnownBackup[] }>(0, ["data", "list"]);
      assert.deepEqual(
        backups.map(({ system: of, directories }) => [of, directories.length]),
        [[systemB, 1]],
      );
      await assertRuns(world.prod, system);
    });

    it("is refused where it cannot be made, with the setting that does without", async () => {
      await document(0, ["unpin"]);
      await world.up("prod");
      await world.prod.must([
        "mount",
        "-t",
        "tmpfs",
        "-o",
        "size=4k,nr_inodes=2",
        "tmpfs",
        "/var/lib/nixos-promote/backups",
      ]);
      const { error } = await document<{ error: { message: string } }>(
        1,
        ["rollback", "--to", "1", "--emergency", "--yes"],
        NO_BACKEND,
      ).finally(() => world.prod.must(["umount", "/var/lib/nixos-promote/backups"]));
      assert.match(error.message, /did not take release.*Nothing was changed: choiros-prod runs/s);
      await assertRuns(world.prod, systemB);
    });
  });

  describe("03 with links alone", () => {
    before("b's programs by links, on a system that stays", async () => {
      world.configureActivation("prod", `strategy: links, ${LINKS}`);
      for (const revision of ["bridge", "bridge-b"]) {
        await world.push(revision);
        await world.up("grind");
        await world.up("prod");
      }
      assert.match(await leads(), /-hypervisor-1\.5\.0\/bin\/hypervisor$/);
    });

    it("brings the links back, and leaves the system", async () => {
      const { pin, to } = await document<{ pin: object | null; to: { rev: string } }>(
        0,
        ["rollback", "--emergency", "--yes"],
        NO_BACKEND,
      );
      const rev = (
        await world.grind.must(["git", "-C", REPOSITORY, "rev-parse", "bridge^{commit}"])
      ).trim();
      assert.equal(to.rev, rev);
      assert.ok(pin);
      assert.match(await leads(), /-hypervisor-1\.4\.0\/bin\/hypervisor$/);
      assert.match((await world.login(world.prod)).body, /hypervisor 1\.4\.0/);
      await assertRuns(world.prod, systemB);
    });

    it("the next preview takes it in, and an up touches nothing", takesIn);

    it("leaves all as it was where what a link led to is gone from the store", async () => {
      await document(0, ["unpin"]);
      await world.up("prod");
      const before = await invocations(world.prod);
      await world.prod.must([
        "bash",
        "-euc",
        "rm -f /nix/var/nix/gcroots/nixos-promote/*previous* /nix/var/nix/gcroots/nixos-promote/closure-*; nix-collect-garbage --delete-old >&2",
      ]);
      const ended = await promote(["rollback", "--emergency", "--yes"], NO_BACKEND);
      assert.equal(ended.code, 1, ended.output);
      assert.match(ended.output, /Not valid in the store of the host/);
      assert.match(await leads(), /-hypervisor-1\.5\.0\/bin\/hypervisor$/);
      assert.deepEqual(
        touched(before, await invocations(world.prod)).filter((unit) => unit !== JOB),
        [],
      );
    });
  });
});
