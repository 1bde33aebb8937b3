import assert from "node:assert/strict";
import { assertRuns, eventually, roots } from "../e2e/world.ts";
import { aroundNixStore, gateBefore, holdPreflight } from "./gates.ts";
import { fault, type Row } from "./row.ts";
import { soak } from "./stage.ts";
import { way } from "./ways.ts";

const STATE = "/var/lib/nixos-promote";
const LEDGER = `${STATE}/ledger.jsonl`;
const SMALL = "/run/small";

describe("the store and the disk", () => {
  fault("D01 the disk of prod is full while the release is copied", { release: "deaf" }, (row) =>
    withNixOnDisk(row, async () => {
      const release = await holdBack(row, row.wanted);
      const up = row.up();
      await row.until("the copy waits for the last path", () => isCopying(row));
      await shrink(row, SMALL, 0);
      await release();
      // The path itself may still find room: then its gc root does not.
      row.told(await up, /The disk of \S+ is full.*Free space there|Is the disk full\?/s);
      await assertRuns(row.prod, row.before);
    }),
  );

  fault("D02 the disk of prod is nearly full before the switch", {}, (row) =>
    withNixOnDisk(row, () =>
      holdPreflight(row, async (gate) => {
        const up = row.up();
        await gate.reached();
        await shrink(row, SMALL, 8);
        await gate.open();
        await row.refused(
          await up,
          /only \d+ MiB are free on \/nix, 64|Only \d+ MiB are free on \/nix; 64/i,
        );
      }),
    ),
  );

  fault("D03 the disk of prod is full when the ledger is written", {}, (row) =>
    gateBefore(row, "boot", row.wanted, (gate) =>
      withDisk(row, STATE, async () => {
        const up = row.up();
        await gate.reached();
        await shrink(row, STATE, 0);
        await gate.open();
        await row.committed(await up);
        assert.equal(await row.shell(`cat ${LEDGER} 2>/dev/null || true`), "");
      }),
    ),
  );

  fault("D04 a program of the release is damaged in the store of prod", { spoils: true }, (row) =>
    gateBefore(row, "test", row.wanted, async (gate) => {
      const up = row.up();
      await gate.reached();
      const closure = (await row.shell(`nix-store -qR "$1"`, row.wanted)).split("\n");
      const [program = ""] = closure.filter((path) => /-hypervisor-[\d.]+$/.test(path));
      await row.shell(`echo damaged >"$1/bin/hypervisor"`, program);
      const verify = await row.prod.exec(["nix-store", "--verify-path", program]);
      assert.match(verify.stderr, /was modified/);
      await gate.open();
      await row.rolledBack(await up, /Units did not start as they should.*hypervisor\.service/s);
      await row.stage.up(row.stage.settled);
    }),
  );

  fault("D05 nothing of the release is signed", { release: "new-unit" }, async (row) => {
    const unsigned = ({ release }: { release: { signingKeyFile?: string } }) => {
      delete release.signingKeyFile;
    };
    const ended = await row.up({ change: unsigned });
    const said = await row.stage.grind.must(["nix", "path-info", "--sigs", row.wanted]);
    assert.doesNotMatch(said, /lab-1:/);
    row.told(ended, /not signed by a key that it trusts/, /trusted-public-keys of the target/);
    await assertRuns(row.prod, row.before);
  });

  fault("D06 garbage is collected all the time", {}, async (row) => {
    const garbage = await row.shell("mkdir -p /tmp/garbage; nix-store --add /tmp/garbage");
    const loop = "while nix-collect-garbage -d; do sleep 1; done";
    await row.shell(`systemd-run --quiet --unit=lab-gc bash -c '${loop}'`);
    try {
      const up = row.up({ change: soak(2) });
      await row.at("health");
      assert.equal(row.exists(garbage.trim()), false, "nothing was collected");
      await row.committed(await up);
      const held = Object.values(await roots(row.prod));
      for (const path of [row.before, row.wanted]) assert.ok(held.includes(path), path);
    } finally {
      await row.shell("systemctl stop lab-gc");
    }
  });

  fault("D07 whoever reads what the switch says is gone", {}, (row) =>
    gateBefore(row, "test", row.wanted, async (gate) => {
      const up = row.up();
      await gate.reached();
      await way.endSessions(row.prod);
      await gate.open();
      await row.committed(await up);
    }),
  );

  fault(
    "D08 garbage is collected between the copy and its root",
    { release: "new-unit" },
    (row) => {
      const collected = "/var/lib/lab-collected";
      const body = `if [[ "$*" == *--print-invalid*${row.wanted}* && ! -e ${collected} ]] &&
  /usr/bin/nix-store --check-validity ${row.wanted} 2>/dev/null; then
  nix-collect-garbage >/dev/null 2>&1
  /usr/bin/nix-store --check-validity ${row.wanted} 2>/dev/null || touch ${collected}
fi`;
      return aroundNixStore(row, body, async () => {
        await row.committed(await row.up());
        assert.ok(row.exists(collected), "nothing was collected");
        await row.shell(`rm ${collected}`);
      });
    },
  );
});

/** A disk of its own at a place on prod; what is written there is gone afterwards. */
async function withDisk(row: Row, place: string, work: () => Promise<void>): Promise<void> {
  await row.shell(`mount -t tmpfs -o size=1g tmpfs "$1"`, place);
  try {
    await work();
  } finally {
    await row.shell(`umount --lazy "$1"`, place);
  }
}

/** The same for /nix, with all that is there. */
async function withNixOnDisk(row: Row, work: () => Promise<void>): Promise<void> {
  await row.shell(`mkdir -p ${SMALL}`);
  await withDisk(row, SMALL, async () => {
    const overlay = `lowerdir=/nix,upperdir=${SMALL}/upper,workdir=${SMALL}/work`;
    await row.shell(`mkdir ${SMALL}/{upper,work}; mount -t overlay overlay -o ${overlay} /nix`);
    try {
      await work();
    } finally {
      await row.shell("umount --lazy /nix");
    }
  });
}

/** From now on such a disk is full but for so many MiB. */
async function shrink(row: Row, place: string, left: number): Promise<void> {
  const column = async (name: string) =>
    Number(await row.shell(`df --output=$1 -k "$2" | tail -n 1`, name, place));
  const size = Math.max((await column("used")) + left * 1024, 4);
  await row.shell(`mount -o "remount,size=$1k" "$2"`, `${size}`, place);
  if (left === 0) await row.prod.exec(["cp", "/dev/zero", `${place}/full`]);
  const free = await column("avail");
  assert.ok(free <= left * 1024, `${free} KiB are free`);
}

/** Keeps prod from taking one path, by the lock that Nix itself takes for it. */
async function holdBack(row: Row, path: string): Promise<() => Promise<void>> {
  await row.shell(`systemd-run --quiet --unit=lab-held flock "$1.lock" sleep 60`, path);
  const free = ["flock", "--nonblock", `${path}.lock`, "true"];
  await eventually("the path is held", async () => (await row.prod.exec(free)).code !== 0);
  return async () => void (await row.shell("systemctl stop lab-held"));
}

/** Has all but the last path arrived? */
async function isCopying(row: Row): Promise<boolean> {
  const closure = await row.stage.grind.exec(["nix-store", "--query", "--references", row.wanted]);
  const paths = closure.stdout.split("\n").filter((path) => path !== "" && path !== row.wanted);
  const argv = ["nix-store", "--check-validity", ...paths];
  return paths.length > 0 && (await row.prod.exec(argv)).code === 0;
}
