// What a host refuses before anything is touched. Every fault is a real one, and is shown to be there first.
import assert from "node:assert/strict";
import type { Verdict } from "../../contract/verdict.ts";
import { ask, eventually, follow } from "./on-host.ts";
import { type More, Prod, SOAKING } from "./prod.ts";
import { UNITS } from "./releases.ts";

const NIXOS_REBUILD = "nixos-rebuild-switch-to-configuration.service";
const LOCK = "/run/nixos/switch-to-configuration.lock";

describe("preflight", function () {
  this.timeout(120_000);
  const prod = Prod.alwaysSettled();
  const undo: (() => Promise<unknown>)[] = [];
  afterEach("without the fault", async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });

  /** Lets `script` run on the host in a unit of its own until the test is over. */
  async function meanwhile(unit: string, ...argv: string[]): Promise<void> {
    await prod.host.must(["systemd-run", "--quiet", `--unit=${unit}`, "--", ...argv]);
    undo.push(() => prod.host.must(["systemctl", "stop", unit]));
  }

  /** Refused before anything was touched, in these words; `todo` says what to do. */
  async function isRefused(tag: string, reason: RegExp, todo: RegExp, more: More = {}) {
    const before = await traces();
    const said = await prod.activate(tag, more);
    assert.equal(said.outcome, "refused", said.reason ?? "");
    assert.equal(said.failedStep, "preflight");
    assert.match(said.reason ?? "", reason);
    assert.match(said.advice ?? "", todo);
    assert.equal(said.switch, null);
    assert.equal(said.rollback, null);
    assert.equal(await traces(), before);
    return said;
  }

  /** What a host would show if it had been touched. */
  async function traces(): Promise<string> {
    const { currentSystem, profile, roots, units } = await prod.look();
    const processes = await prod.host.must([
      ...[
        "systemctl",
        "show",
        "--property=Id,MainPID,ActiveEnterTimestampMonotonic",
        "--",
        ...UNITS,
      ],
    ]);
    const boot = await prod.bootDefault();
    return JSON.stringify([currentSystem, profile, boot, roots, Object.keys(units), processes]);
  }

  async function isTold(said: Verdict, note: RegExp): Promise<void> {
    assert.ok(
      said.notes.some((text) => note.test(text)),
      `${note} is not in ${JSON.stringify(said.notes)}`,
    );
  }

  it("says nothing where nothing is wrong, and takes little time", async () => {
    const said = await prod.activate("b");
    assert.equal(said.outcome, "committed", said.reason ?? "");
    assert.deepEqual(said.notes, []);
    assert.equal(said.advice, null);
    const took = said.steps.find(({ name }) => name === "preflight")?.seconds ?? 99;
    assert.ok(took < 5, `${took} s`);
  });

  it("another machine, an absent path, no system, another architecture", async () => {
    const nowhere = "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-nowhere";
    const plain = (await prod.sh("mkdir -p /tmp/plain && nix-store --add /tmp/plain")).trim();
    const foreign = (
      await prod.sh(`rm -rf /tmp/arm && cp -r --preserve=mode,links ${await prod.releases.onProd("b")} /tmp/arm
        chmod -R u+w /tmp/arm && echo -n aarch64-linux >/tmp/arm/system && nix-store --add /tmp/arm`)
    ).trim();
    await isRefused("b", /its machine-id is [0-9a-f]{32}, not 0{32}/, /\[host\.machineId\]/, {
      machineId: "0".repeat(32),
    });
    await isRefused("b", /Not valid in the store of the host/, /Copy the closure/, {
      toplevel: nowhere,
    });
    await isRefused("b", /is not a NixOS system/, /\[release\]/, { toplevel: plain });
    await isRefused(
      "b",
      /built for 'aarch64-linux', the host is x86_64-linux/,
      /Build it for x86_64-linux/,
      { toplevel: foreign },
    );
  });

  it("a full disk below /nix, below /var and for the boot partition, with figures and the setting", async () => {
    const setting = /\[activation\.preflight\.diskMarginMiB\]/;
    // A disk of its own above what is there: what is written meanwhile is gone with it.
    const small = async (path: string, size: string) => {
      await prod.sh(`mkdir -p /mnt/small && mount -t tmpfs -o size=${size} tmpfs /mnt/small
        mkdir /mnt/small/{upper,work}
        mount -t overlay small -o lowerdir=${path},upperdir=/mnt/small/upper,workdir=/mnt/small/work ${path}`);
      undo.push(() => prod.sh(`umount --lazy ${path} && umount --lazy /mnt/small`));
    };
    const free = async (path: string) =>
      Number((await prod.sh(`df -B1 --output=avail ${path} | tail -n 1`)).trim()) / 1048576;

    await small("/nix", "40M");
    assert.ok((await free("/nix")) < 41);
    await isRefused("b", /^Only (39|40) MiB are free on \/nix, 64 MiB are needed\.$/, setting);
    const { free: bytes } = await ask(prod.host, "missing", { paths: "" });
    assert.ok(Number(bytes) < 41 * 1048576, `${bytes}`);
    const fits = await prod.activate("a", { preflight: { diskMarginMiB: 20 } });
    assert.equal(fits.outcome, "committed", fits.reason ?? "");
    for (const step of undo.splice(0).reverse()) await step();

    await small("/var", "30M");
    assert.ok((await free("/var")) < 31);
    await isRefused("b", /^Only (29|30) MiB are free on \/var, 64 MiB are needed\.$/, setting);
    for (const step of undo.splice(0).reverse()) await step();

    await prod.sh(
      "cp -r /boot /tmp/boot && mount -t tmpfs -o size=1M tmpfs /boot && cp -r /tmp/boot/. /boot",
    );
    undo.push(() => prod.sh("umount --lazy /boot"));
    assert.ok((await free("/boot")) < 1.1);
    await isRefused(
      "b",
      /^Only 0 MiB are free on \/boot, 2 MiB are needed for its kernel and initrd\.$/,
      /nix-collect-garbage/,
    );
    const kernel = await prod.sh(`readlink -f ${await prod.releases.onProd("b")}/{kernel,initrd}`);
    const names = kernel.trim().split("\n");
    for (const name of names)
      await prod.sh(
        `mkdir -p /boot/kernels && : >/boot/kernels/${name.split("/").slice(3).join("-")}`,
      );
    assert.equal((await prod.activate("a")).outcome, "committed", "both are there already");
  });

  it("no inodes left", async () => {
    await prod.sh(`mkdir -p /mnt/few && mount -t tmpfs -o size=200M,nr_inodes=500 tmpfs /mnt/few && mkdir /mnt/few/{upper,work}
      mount -t overlay few -o lowerdir=/var,upperdir=/mnt/few/upper,workdir=/mnt/few/work /var`);
    undo.push(() => prod.sh("umount --lazy /var && umount --lazy /mnt/few"));
    assert.ok(Number((await prod.sh("df --output=iavail /var | tail -n 1")).trim()) < 500);
    await isRefused("b", /^Only \d+ inodes are free on \/var, 1000 are needed\.$/, /Free some/);
  });

  it("too little memory", async () => {
    const meminfo = await prod.sh("cat /proc/meminfo");
    const available = Math.floor(Number(/MemAvailable: +(\d+)/.exec(meminfo)?.[1]) / 1024);
    const least = available * 3;
    await isRefused(
      "b",
      new RegExp(`^Only \\d+ MiB of memory are available, ${least} MiB are needed\\.$`),
      /\[activation\.preflight\.memoryMarginMiB\]/,
      { preflight: { memoryMarginMiB: least } },
    );
  });

  it("a switch that holds the lock: who, what and since when", async () => {
    await meanwhile("test-lock", "flock", LOCK, "sleep", "60");
    await eventually(
      "it is locked",
      async () => (await prod.host.exec(["flock", "--nonblock", LOCK, "true"])).code !== 0,
    );
    const pid = (
      await prod.host.must(["systemctl", "show", "--property=MainPID", "--value", "test-lock"])
    ).trim();
    const said = await isRefused("b", /holds its lock: process \d+/, /systemctl status \d+/);
    assert.match(
      said.reason ?? "",
      new RegExp(
        `process ${pid}, '\\S*flock ${LOCK} sleep 60', since 20\\d\\d-\\d\\d-\\d\\d \\d\\d:`,
      ),
    );
  });

  it("a foreign nixos-rebuild: its unit, and its process while it still builds", async () => {
    await meanwhile(NIXOS_REBUILD, "sleep", "60");
    await isRefused("b", /nixos-rebuild is switching this host now/, /Wait until it has ended/);
    for (const step of undo.splice(0).reverse()) await step();
    await prod.sh(
      "printf '#!/bin/sh\\nsleep 60\\n' >/tmp/nixos-rebuild && chmod +x /tmp/nixos-rebuild",
    );
    await meanwhile("test-building", "/tmp/nixos-rebuild", "switch", "--flake", ".#choiros-prod");
    await isRefused("b", /Somebody else is switching .*nixos-rebuild switch --flake/, /Wait until/);
  });

  it("the activation script that a killed switch has left running", async () => {
    const slow = await prod.releases.onProd("slow-activate");
    const run = ["systemd-run", "--quiet", "--unit=test-switch", "--property=KillMode=process"];
    await prod.host.must([...run, `${slow}/bin/switch-to-configuration`, "test"]);
    const goesOn = async () =>
      (await prod.host.exec(["pgrep", "--full", `${slow}/activate`])).code === 0;
    await eventually("the script runs", goesOn);
    await prod.host.must(["systemctl", "kill", "--kill-whom=main", "--signal=KILL", "test-switch"]);
    undo.push(() => eventually("the script has ended", async () => !(await goesOn())));
    const said = await prod.activate("b");
    assert.ok(await goesOn(), "it goes on without the switch");
    assert.equal(said.outcome, "refused", said.reason ?? "");
    assert.match(
      said.reason ?? "",
      /Somebody else is switching this host now: process \d+, .*activate/,
    );
  });

  it("a unit that an earlier nixos-rebuild left as failed is reset, and said", async () => {
    await prod.sh(`systemd-run --quiet --unit=${NIXOS_REBUILD} false || true`);
    await eventually(
      "it failed",
      async () => (await prod.host.exec(["systemctl", "is-failed", NIXOS_REBUILD])).code === 0,
    );
    const again = ["systemd-run", "--quiet", `--unit=${NIXOS_REBUILD}`, "true"];
    assert.notEqual((await prod.host.exec(again)).code, 0, "it blocks the next one");
    const said = await prod.activate("b");
    assert.equal(said.outcome, "committed", said.reason ?? "");
    await isTold(
      said,
      /was left over as failed, which makes every nixos-rebuild fail; it is reset/,
    );
    assert.equal((await prod.host.exec(again)).code, 0);
  });

  it("what a killed switch did not get to is told", async () => {
    await prod.sh("echo caddy.service >/run/nixos/start-list");
    const said = await prod.activate("b");
    assert.equal(said.outcome, "committed", said.reason ?? "");
    await isTold(
      said,
      /has left \/run\/nixos\/start-list; this one will start .*: caddy\.service\.$/,
    );
  });

  it("a changed kernel is told, or refused where that is set; one that only a reboot can take is refused", async () => {
    const boot = /\[activation\.mode\] to boot/;
    await isRefused(
      "new-kernel",
      /another kernel, initrd than .*\[activation\.preflight\.kernelChange\]/,
      boot,
      {
        preflight: { kernelChange: "refuse" },
      },
    );
    const said = await prod.activate("new-kernel");
    assert.equal(said.outcome, "committed", said.reason ?? "");
    await isTold(said, /another kernel, initrd than .* takes effect at the next reboot/);
    assert.equal((await prod.look()).rebootFor, "kernel, initrd");
    assert.equal((await prod.activate("a")).outcome, "committed");
    assert.equal((await prod.look()).rebootFor, null);
    await isRefused(
      "boot-only",
      /interface to the boot stage \('systemd 2' to 'systemd 3'\)/,
      boot,
    );
    await isRefused(
      "inhibited",
      /critical components, .*: systemd \(systemd-257 to systemd-258\)\.$/,
      boot,
    );
  });

  it("a profile that is not what runs is told", async () => {
    const b = await prod.releases.onProd("b");
    await prod.host.must([`${b}/bin/switch-to-configuration`, "test"]);
    const said = await prod.activate("b");
    assert.equal(said.outcome, "committed", said.reason ?? "");
    await isTold(said, /The host runs \S+, but its system profile is \S+/);
  });

  it("a refusal does not forget the way back of an activation that was cut off", async () => {
    const job = await prod.beginTo("health", "b", { probes: SOAKING });
    await prod.host.must(["systemctl", "kill", "--signal=KILL", "nixos-promote-activate"]);
    await eventually("it is lost", async () => (await follow(prod.host, job.id)).state === "lost");
    assert.equal(
      (await prod.look()).currentSystem,
      await prod.releases.onProd("b"),
      "b is on trial",
    );
    const said = await isRefused("c-503", /its machine-id is/, /machineId/, {
      machineId: "0".repeat(32),
    });
    await isTold(said, /was cut off and has left \S+ on trial; the way back leads to \S+/);
    assert.equal((await prod.activate("c-503")).after.currentSystem, prod.a);
  });

  it("a lower state version, where both systems tell theirs", async () => {
    assert.equal((await prod.activate("guarded")).outcome, "committed");
    await isRefused(
      "old-state",
      /system\.stateVersion would go down from 25\.11 to 24\.11/,
      /\[activation\.preflight\.stateVersion\]/,
    );
    const said = await prod.activate("old-state", { preflight: { stateVersion: "allow" } });
    assert.equal(said.outcome, "committed", said.reason ?? "");
    await isTold(said, /goes down from 25\.11 to 24\.11/);
  });

  describe("files that units take secrets from", () => {
    const disk = "/opt/choiros/secrets/platform.env";
    const memory = "/run/choiros/credentials/api_key";
    const put = async (path: string) => {
      await prod.sh(`mkdir -p ${path.replace(/\/[^/]*$/, "")} && echo SECRET=1 >${path}`);
      undo.push(() => prod.host.must(["rm", path]));
    };

    it("one that is missing is refused, with its unit; one that the activation renders is not", async () => {
      await put(memory);
      const said = await isRefused(
        "secrets",
        /do not exist on the host: \/opt\/choiros\/secrets\/platform\.env \(hypervisor\.service\)\.$/,
        /\[activation\.preflight\.credentials\]/,
      );
      assert.doesNotMatch(said.reason ?? "", /rendered|optional/);
    });

    it("one that is in memory only is told, or refused where that is set", async () => {
      await put(disk);
      await put(memory);
      await isRefused(
        "secrets",
        /would not survive a reboot, .*: \/run\/choiros\/credentials\/api_key \(hypervisor\.service\)\.$/,
        /Keep them on disk/,
        { preflight: { credentials: "persistent" } },
      );
      const said = await prod.activate("secrets");
      assert.equal(said.outcome, "committed", said.reason ?? "");
      await isTold(said, /^Not persistent: .*api_key \(hypervisor\.service\)\.$/);
      assert.equal((await prod.activate("a")).outcome, "committed");
    });

    it("one on a disk that is really in memory counts as in memory", async () => {
      await prod.sh("mkdir -p /opt/choiros/secrets && mount -t tmpfs tmpfs /opt/choiros/secrets");
      undo.push(() => prod.sh("umount --lazy /opt/choiros/secrets"));
      await prod.sh(`echo SECRET=1 >${disk}`);
      await put(memory);
      await isRefused("secrets", /would not survive a reboot, .*platform\.env/, /Keep them/, {
        preflight: { credentials: "persistent" },
      });
    });

    it("where only a warning is wanted, the unit shows what comes of it", async () => {
      const said = await prod.activate("secrets", { preflight: { credentials: "warn" } });
      await isTold(said, /do not exist on the host: \/opt\/choiros\/secrets\/platform\.env/);
      assert.equal(said.outcome, "rolled-back", said.reason ?? "");
      assert.match(said.reason ?? "", /hypervisor\.service/);
    });
  });
});
