// Which files must be there for the units of a system, read from its unit files: without a host.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { flatten } from "../../providers/executors/argument.ts";
import { bash } from "./local-bash.ts";

const PARTS = ["json.sh", "lib.sh", "preflight.sh", "preflight-credentials.sh"];
const MAIN = `
step=preflight failure_reason= toplevel=\${arg[toplevel]}
because() { printf 'refused: %s\\n' "$1" >&3; return 1; }
check_preflight
credentials_are_there || true
for said in "\${notes[@]}"; do printf 'told: %s\\n' "$said" >&3; done`;

const GONE = "/opt/nowhere/secret";
const UNIT = "etc/systemd/system/app.service";
const WANTED = "etc/systemd/system/multi-user.target.wants/app.service";

interface Case {
  readonly name: string;
  /** Text of the unit `app`, which is started, or of any other files. */
  readonly files: string | Record<string, string>;
  readonly policy?: string;
  readonly says?: RegExp;
}

const env = (path: string) => `[Service]\nEnvironmentFile=${path}\n`;

const CASES: Case[] = [
  { name: "units that need nothing", files: "[Service]\nExecStart=/bin/true\n" },
  { name: "a file that is there", files: env("/etc/passwd") },
  { name: "a file in the store", files: env("/nix/store/none") },
  { name: "a file that may be missing", files: env(`-${GONE}`) },
  { name: "a pattern", files: env("/opt/nowhere/*.env") },
  { name: "a specifier", files: env("/opt/nowhere/%i.env") },
  {
    name: "a file that a condition names",
    files: `[Unit]\nConditionPathExists=${GONE}\n${env(GONE)}`,
  },
  { name: "what a later empty line takes back", files: `${env(GONE)}EnvironmentFile=\n` },
  {
    name: "a comment",
    files: `[Service]\n# EnvironmentFile=${GONE}\n; LoadCredential=a:${GONE}\n`,
  },
  {
    name: "a credential with a default",
    files: `[Service]\nLoadCredential=a:${GONE}\nSetCredential=a:none\n`,
  },
  {
    name: "a credential of systemd's own store",
    files: "[Service]\nLoadCredential=a\nLoadCredential=b:b\n",
  },
  { name: "a unit that nothing starts", files: { "etc/systemd/system/other.service": env(GONE) } },
  {
    name: "a file that is missing",
    files: env(GONE),
    says: /^refused: .*: \/opt\/nowhere\/secret \(app\.service\)\.$/,
  },
  {
    name: "spaces around it",
    files: `[Service]\n  EnvironmentFile = ${GONE} \n`,
    says: /^refused: .*: \/opt\/nowhere\/secret \(app/,
  },
  { name: "a credential", files: `[Service]\nLoadCredential=a:${GONE}\n`, says: /^refused/ },
  {
    name: "an encrypted credential",
    files: `[Service]\nLoadCredentialEncrypted=a:${GONE}\n`,
    says: /^refused/,
  },
  {
    name: "a drop-in",
    files: { [UNIT]: "[Service]\n", "etc/systemd/system/app.service.d/x.conf": env(GONE) },
    says: /^refused: .*\(app\.service\)/,
  },
  {
    name: "a template, by one instance that is wanted",
    files: {
      "etc/systemd/system/box@.service": env(GONE),
      "etc/systemd/system/multi-user.target.wants/box@one.service": "",
    },
    says: /^refused: .*\(box@\.service\)/,
  },
  {
    name: "a service that a timer starts",
    files: {
      "etc/systemd/system/job.service": env(GONE),
      "etc/systemd/system/job.timer": "[Timer]\n",
    },
    says: /^refused: .*\(job\.service\)/,
  },
  {
    name: "one that is missing, where only a warning is wanted",
    files: env(GONE),
    policy: "warn",
    says: /^told: .*do not exist/,
  },
  { name: "one that is missing, where nobody looks", files: env(GONE), policy: "ignore" },
  {
    name: "one in memory that something will make",
    files: env("/run/nowhere/x"),
    says: /^told: Not persistent: .*\/run\/nowhere\/x/,
  },
  {
    name: "the same, where it must survive a reboot",
    files: env("/run/nowhere/x"),
    policy: "persistent",
    says: /^refused: .*would not survive/,
  },
  {
    name: "one that the activation script makes",
    files: { [UNIT]: env("/run/secrets/app/x"), activate: "mkdir -p /run/secrets\n" },
    policy: "persistent",
  },
  {
    name: "text that is no path but a command",
    files: env("/opt/$(touch /tmp/nixos-promote-owned)`touch /tmp/nixos-promote-owned`"),
    says: /^refused: .*\$\(touch/,
  },
];

describe("files that the units of a system need", function () {
  this.timeout(30_000);
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "toplevel-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  function write(files: Record<string, string>): void {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(directory, name)), { recursive: true });
      writeFileSync(join(directory, name), text);
    }
  }

  async function said(policy?: string): Promise<string[]> {
    const preflight = policy === undefined ? {} : { credentials: policy };
    return (await bash(PARTS, MAIN, flatten({ toplevel: directory, preflight }))).lines;
  }

  for (const { name, files, policy, says } of CASES) {
    it(`${says === undefined ? "finds no fault with" : "finds"} ${name}`, async () => {
      write(
        typeof files === "string" ? { [UNIT]: files, [WANTED]: "" } : { [WANTED]: "", ...files },
      );
      const lines = await said(policy);
      assert.equal(lines.length, says === undefined ? 0 : 1, lines.join("\n"));
      if (says !== undefined) assert.match(lines[0] ?? "", says);
      const owned = await bash(PARTS, "[[ ! -e /tmp/nixos-promote-owned ]] || echo owned >&3");
      assert.deepEqual(owned.lines, []);
    });
  }

  it("reads five hundred units by two programs", async () => {
    for (let i = 0; i < 500; i++)
      write({
        [`etc/systemd/system/unit-${i}.service`]: env(i === 250 ? GONE : "/etc/passwd"),
        [`etc/systemd/system/multi-user.target.wants/unit-${i}.service`]: "",
      });
    const counted = ["grep", "stat", "readlink", "awk", "cat"]
      .map((name) => `${name}() { printf '${name}\\n' >&3; command ${name} "$@"; }\n`)
      .join("");
    const { lines } = await bash(
      PARTS,
      counted + MAIN,
      flatten({ toplevel: directory, preflight: {} }),
    );
    assert.deepEqual(
      lines.map((line) => line.split(" ")[0]),
      ["grep", "stat", "refused:"],
      lines.join("\n"),
    );
    assert.match(lines[2] ?? "", /\(unit-250\.service\)/);
  });
});
