import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { STATIC_CHECKS } from "../run/static-checks.ts";
import { commandsOf, complaints, readWorkflow } from "../support/workflows.ts";

const DIRECTORY = join(import.meta.dirname, "../../.github/workflows");
const textOf = (name: string) => readFileSync(join(DIRECTORY, `${name}.yml`), "utf8");

describe("the workflows", function () {
  this.timeout(30_000); // the Pulumi CLI and actionlint take a moment

  for (const file of readdirSync(DIRECTORY))
    it(`${file} pins what it uses, may do little, and runs what there is`, () => {
      assert.deepEqual(complaints(readFileSync(join(DIRECTORY, file), "utf8")), []);
    });

  it("release only by hand, one after the other, in an environment that can be protected", () => {
    const { on, concurrency, jobs } = readWorkflow(textOf("release"));
    assert.deepEqual(Object.keys(on), ["workflow_dispatch"]);
    assert.deepEqual(concurrency, { group: "promote", "cancel-in-progress": false });
    assert.deepEqual(
      Object.values(jobs).map(({ environment }) => environment),
      ["production"],
    );
  });

  it("promote without a question, and nowhere else than in the release", () => {
    const promotions = readdirSync(DIRECTORY).filter((file) =>
      /promote .*--yes|pulumi (up|destroy)/.test(readFileSync(join(DIRECTORY, file), "utf8")),
    );
    assert.deepEqual(promotions, ["release.yml"]);
    assert.match(textOf("release"), /npx promote --stack "\$STACK" --yes/);
  });

  for (const [lane, codes] of Object.entries({
    drift: [6],
    release: [1, 0],
    validate: [255, 0, 0],
  }))
    it(`fail as their command does (${lane}: ${codes.join(", ")}), and show what it said`, () => {
      const machine = mkdtempSync(join(tmpdir(), "workflows-"));
      try {
        command(machine, "npx", `echo "drift on prod"\nexit ${codes[0]}`);
        command(machine, "gh", `echo "gh $*" >>said\ncat comment.md >>said`);
        const runs = scriptsOf(lane).map((script) => runIn(machine, script));
        assert.deepEqual(runs, codes, "the command, and what is done whatever became of it");
        assert.match(readFileSync(join(machine, "summary"), "utf8"), /^drift on prod$/m);
      } finally {
        rmSync(machine, { recursive: true });
      }
    });

  it("put the preview into one comment of the pull request, whatever is in it", () => {
    const machine = mkdtempSync(join(tmpdir(), "workflows-"));
    try {
      command(
        machine,
        "npx",
        `printf '### Plan\\n$(id) %%s END_OF_PREVIEW\\nEND_OF_PREVIEW\\nx=y\\n'`,
      );
      command(machine, "gh", `echo "gh $*" >>said\ncat comment.md >>said`);
      assert.deepEqual(
        scriptsOf("validate").map((script) => runIn(machine, script)),
        [0, 0, 0],
      );
      assert.equal(
        readFileSync(join(machine, "said"), "utf8"),
        "gh pr comment 7 --edit-last --create-if-none --body-file comment.md\n### Plan\n$(id) %s \n\nx=y\n",
      );
    } finally {
      rmSync(machine, { recursive: true });
    }
  });

  const breakages: [what: string, from: string | RegExp, to: string, complaint: RegExp][] = [
    ["an action by its tag", /checkout@\w+/, "checkout@v7", /checkout is pinned to no commit/],
    ["an action of somebody", "actions/checkout", "some/checkout", /unknown action some/],
    ["all permissions", "contents: read", "contents: write", /permissions: too many/],
    ["a permission too many", "id-token: write", "packages: write", /permission packages: write/],
    ["a token for git", "persist-credentials: false", "clean: true", /token left/],
    ["no time limit", "    timeout-minutes: 45\n", "", /no time limit/],
    ["a long-lived key", "vars.AWS_ROLE }}", "secrets.AWS_KEY }}", /secret AWS_KEY/],
    ["text in a script", '--stack "$STACK"', '--stack "${{ inputs.stack }}"', /use env/],
    ["a script that is not there", "npm run check", "npm run chekc", /no npm run chekc/],
    ["another command", "npm run check", "curl example.com", /no command curl/],
    ["an option that Pulumi lacks", "npm run check", "pulumi up --quietly", /takes no --quietly/],
    ["a command that Pulumi lacks", "npm run check", "pulumi foresee", /no pulumi foresee/],
    ["a file that is not there", "npm run check", "bash setup/walk.sh", /walk\.sh/],
    [
      "a comment beside other code",
      "gh pr comment",
      "npx promote status",
      /write to pull requests/,
    ],
    ["an option that promote lacks", "npm run check", "npx promote --yess", /--yess/],
    ["a command that promote lacks", "npm run check", "npx promote stauts", /"stauts"/],
  ];
  for (const [what, from, to, complaint] of breakages)
    it(`would not pass with ${what}`, () => {
      const broken = textOf("validate").replace(from, to);
      assert.notEqual(broken, textOf("validate"));
      assert.match(complaints(broken).join("\n"), complaint);
    });

  it("are read command by command", () => {
    const script =
      'eval "$(bash a.sh --env)"\nnpx promote -s "$S" 2>&1 | tee "$T" >>"$U" || true\n';
    assert.deepEqual(commandsOf(script), [
      ["eval"],
      ["bash", "a.sh", "--env"],
      ["npx", "promote", "-s", "prod"],
      ["tee", "prod"],
      ["true"],
    ]);
  });

  describe("are checked by actionlint, which", () => {
    let root: string;
    beforeEach(() => {
      root = mkdtempSync(join(tmpdir(), "workflows-"));
      mkdirSync(join(root, ".github/workflows"), { recursive: true });
    });
    afterEach(() => rmSync(root, { recursive: true }));

    it("is content with ours", () => {
      assert.deepEqual(lint(textOf("validate")), []);
    });

    const errors: [what: string, from: string, to: string, complaint: RegExp][] = [
      ["a key that does not exist", "runs-on: ubuntu", "run-on: ubuntu", /"run-on"/],
      ["an expression that does not hold", "github.ref }}", "github.reff }}", /"reff"/],
      ["a job that is not there", "needs: check", "needs: chekc", /"chekc"/],
      ["careless shell", '--stack "$STACK"', "--stack $STACK", /SC2086/],
      [
        "text of users in a script",
        '--stack "$STACK"',
        '--stack "${{ github.head_ref }}"',
        /untrusted/,
      ],
    ];
    for (const [what, from, to, complaint] of errors)
      it(`finds ${what}`, () => {
        const broken = textOf("validate").replace(from, to);
        assert.notEqual(broken, textOf("validate"));
        assert.match(lint(broken).join("\n"), complaint);
      });

    function lint(text: string): readonly string[] {
      const file = ".github/workflows/a.yml";
      writeFileSync(join(root, file), text);
      const check = STATIC_CHECKS.find(({ title }) => title.includes("actionlint"));
      assert.ok(check !== undefined);
      return check.run({ root, files: [file], read: () => text });
    }
  });
});

/** What a lane does once all is there. */
function scriptsOf(lane: string): string[] {
  const { jobs } = readWorkflow(textOf(lane));
  return Object.values(jobs)
    .flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? []))
    .filter((run) => !/^npm run/.test(run))
    .map((run) => run.replace(/^eval .*\n/, ""));
}

function command(directory: string, name: string, script: string): void {
  writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

/** As GitHub runs a step with `shell: bash`; what an earlier job has put out is what a later one gets. */
function runIn(directory: string, script: string): number | null {
  const env = {
    PATH: `${directory}:${process.env.PATH}`,
    STACK: "prod",
    NUMBER: "7",
    COMMENT: outputIn(directory),
    GITHUB_STEP_SUMMARY: join(directory, "summary"),
    GITHUB_OUTPUT: join(directory, "output"),
  };
  const bash = ["--noprofile", "--norc", "-eo", "pipefail", "-c", script];
  return spawnSync("bash", bash, { cwd: directory, env }).status;
}

/** Its one output, `NAME<<END`, the lines of the value, `END`, as GitHub reads it. */
function outputIn(directory: string): string {
  const file = join(directory, "output");
  if (!existsSync(file)) return "";
  const [head = "", ...lines] = readFileSync(file, "utf8").split("\n");
  const end = lines.indexOf(head.replace(/^comment<</, ""));
  assert.ok(end >= 0 && lines.slice(end + 1).join("") === "", "it ends where it is said to end");
  return lines.slice(0, end).join("\n");
}
