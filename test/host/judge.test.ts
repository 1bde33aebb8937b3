// What a result of switch-to-configuration means: the one table, without a host.
import assert from "node:assert/strict";
import { flatten } from "../../providers/executors/argument.ts";
import { bash } from "./local-bash.ts";

const STOPPED = "stopping the following units: hypervisor.service\n";
const RUNNING = "/etc/systemd/system";
const STORE = "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-nixos-system-prod";
const ACTIVATED = `${STOPPED}activating the configuration...\n`;

interface Case {
  readonly name: string;
  readonly exit: number;
  readonly output: string;
  readonly changed: boolean;
  readonly verdict: "ok" | "units" | "rollback" | "refused";
  readonly reason?: RegExp;
}

const CASES: Case[] = [
  { name: "0", exit: 0, output: ACTIVATED, changed: true, verdict: "ok" },
  {
    name: "0 without a change",
    exit: 0,
    output: "",
    changed: false,
    verdict: "ok",
  },
  {
    name: "1 of a check before the switch",
    exit: 1,
    output: "Pre-switch checks failed\n",
    changed: false,
    verdict: "refused",
    reason: /ended with 1: Pre-switch checks failed/,
  },
  {
    name: "1 after units were stopped",
    exit: 1,
    output: `${STOPPED}Error: D-Bus\n`,
    changed: false,
    verdict: "rollback",
    reason: /Error: D-Bus/,
  },
  {
    name: "1 after the activation",
    exit: 1,
    output: "Error: late\n",
    changed: true,
    verdict: "rollback",
  },
  {
    name: "2, the activation script failed",
    exit: 2,
    output: `${ACTIVATED}Failed to run activate script\n`,
    changed: true,
    verdict: "rollback",
    reason: /activation script.*exit 2/,
  },
  {
    name: "2, not NixOS",
    exit: 2,
    output: "This is not a NixOS installation!\n",
    changed: false,
    verdict: "refused",
    reason: /ended with 2: This is not a NixOS installation!/,
  },
  {
    name: "4",
    exit: 4,
    output: `${ACTIVATED}warning: the following units failed: x.service\n`,
    changed: true,
    verdict: "units",
  },
  {
    name: "4 that hides a 2",
    exit: 4,
    output: `${ACTIVATED}Failed to run activate script\n`,
    changed: true,
    verdict: "rollback",
    reason: /hides a 2/,
  },
  {
    name: "11, the lock is held",
    exit: 11,
    output: "Could not acquire lock\n",
    changed: false,
    verdict: "refused",
    reason: /holds its lock/,
  },
  {
    name: "100, only after a reboot",
    exit: 100,
    output: "",
    changed: false,
    verdict: "refused",
    reason: /after a reboot/,
  },
  {
    name: "101, a panic that could not say what it had done",
    exit: 101,
    output: "",
    changed: false,
    verdict: "rollback",
    reason: /panicked/,
  },
  {
    name: "124, timed out",
    exit: 124,
    output: STOPPED,
    changed: false,
    verdict: "rollback",
    reason: /within its time/,
  },
  {
    name: "137, killed",
    exit: 137,
    output: "",
    changed: false,
    verdict: "rollback",
    reason: /killed/,
  },
  {
    name: "143, terminated",
    exit: 143,
    output: "",
    changed: false,
    verdict: "rollback",
    reason: /killed/,
  },
  {
    name: "1, a unit file of the release that cannot be parsed",
    exit: 1,
    output: `Error: Failed to parse systemd unit file ${STORE}/etc/systemd/system/x.service\n\nCaused by:\n    no = or :\n`,
    changed: false,
    verdict: "refused",
    reason: /^The release has a unit file that cannot be parsed: \/nix\/store\/\S+x\.service$/,
  },
  {
    name: "1, a unit file of the running system that cannot be parsed",
    exit: 1,
    output: `Error: Failed to parse systemd unit file ${RUNNING}/x@.service.d/a.conf\n\nCaused by:\n    no = or :\n`,
    changed: false,
    verdict: "refused",
    reason: /'systemctl stop x@\*\.service'/,
  },
  {
    name: "1 of an error in several lines",
    exit: 1,
    output: "Error: Failed to get D-Bus connection\n\nCaused by:\n    Connection refused.\n",
    changed: false,
    verdict: "refused",
    reason: /ended with 1: Error: Failed to get D-Bus connection: Connection refused$/,
  },
  {
    name: "4 for a person's own units",
    exit: 4,
    output: `${ACTIVATED}warning: user activation for root failed\n`,
    changed: true,
    verdict: "units",
  },
  {
    name: "127, it cannot be run",
    exit: 127,
    output: "env: no such file\n",
    changed: false,
    verdict: "refused",
    reason: /ended with 127: env: no such file/,
  },
  {
    name: "a number that we do not know, early",
    exit: 17,
    output: "no bus\n",
    changed: false,
    verdict: "refused",
  },
  {
    name: "a number that we do not know, late",
    exit: 17,
    output: ACTIVATED,
    changed: true,
    verdict: "rollback",
  },
];

const JUDGE = `
switch_exit=\${arg[exit]} switch_output=\${arg[output]%$'\\n'}
judge_switch "\${arg[changed]}"
json_object verdict:s "$switch_verdict" reason:s "$switch_reason"
answer "$REPLY"`;

describe("the result of switch-to-configuration", () => {
  for (const { name, exit, output, changed, verdict, reason } of CASES) {
    it(`${name}: ${verdict}`, async () => {
      const input = flatten({ exit, output, changed: changed ? "yes" : "no" });
      const said = JSON.parse(
        (await bash(["json.sh", "lib.sh", "units.sh", "switch.sh"], JUDGE, input)).stdout,
      );
      assert.equal(said.verdict, verdict);
      if (reason) assert.match(said.reason, reason);
      if (verdict === "ok") assert.equal(said.reason, "");
    });
  }
});
