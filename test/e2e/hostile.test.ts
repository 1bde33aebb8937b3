import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import fc from "fast-check";
import type { LabHost } from "../../lab/lab.ts";
import { run } from "../../lab/process.ts";
import { type Argument, flatten } from "../../providers/executors/argument.ts";
import { remoteCommand } from "../../providers/executors/remote-command.ts";
import { sshOptions } from "../../providers/executors/ssh.ts";
import { parseSettings, type Settings } from "../../settings.ts";
import { decodeLines } from "../support/argument-decoder.ts";
import { anyText } from "../support/hostile.ts";
import { settingsOf } from "../support/stack-config.ts";
import { errorsIn, leavesAlone, refusal, withSettings } from "./faults.ts";
import { REPOSITORY, World } from "./world.ts";

type Path = readonly (string | number)[];

/** Settings that the shipped stacks leave out. */
const OPTIONAL = {
  grind: {
    "host.machineId": "0".repeat(32),
    "host.connection.user": "root",
    "host.connection.identityFile": "/root/.ssh/id",
    "host.connection.hostKey": "ssh-ed25519 AAAA",
    "release.system": "x86_64-linux",
    "release.branch": "main",
    "release.changesSchema": ["hypervisor.db"],
    "release.manifestKeyFile": "/var/lib/nixos-promote/keys/release",
    pin: { rev: "0".repeat(40) },
    activation: { mode: "switch" },
  },
  prod: {
    "host.connection.user": "root",
    "release.allowedSigners": "keys/signers",
    pin: { manifest: "release.json", builder: { kind: "ssh", host: "choiros-grind" } },
  },
};

describe("hostile text in any string setting", function () {
  this.timeout(30_000);
  const places = (["grind", "prod"] as const).flatMap((stack) => {
    const settings = complete(stack);
    return stringsIn(settings).map((path) => ({ settings, path }));
  });

  it("is looked for in every one of them", () => {
    assert.ok(places.length > 70, `${places.length}`);
  });

  it("is refused by name, or reaches a program only as a whole word or as data on its stdin", () => {
    fc.assert(
      fc.property(fc.constantFrom(...places), anyText, ({ settings, path }, text) => {
        const taken = accepted(put(settings, path, text));
        if (taken === undefined) return;
        assertWords(taken);
        assertData(taken as unknown as Argument);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("hostile text on real hosts", function () {
  this.timeout(300_000);
  const mark = `/tmp/pwned-${randomBytes(6).toString("hex")}`;
  const touch = `touch\${IFS}${mark}`;
  // Without spaces, for places that take none; every shell runs some of it.
  const word = `$(${touch})\`${touch}\`;${touch};'"$(${touch})"'&${touch}|${touch}`;
  const text = `-e "q" 'q' $(touch ${mark}) \`touch ${mark}\`; touch ${mark} | touch ${mark} größe 🦊 \\n\n%s`;
  const subject = `"q" 'q' $(touch ${mark}) \`touch ${mark}\`; touch ${mark} größe 🦊 \\n %s -e`;
  const repository = `/opt/-$(${touch}) "it's" ;${mark.slice(5)} größe`;
  const rev = `v1-$(${touch})\`${touch}\`;''""`;
  let world: World;
  let directory: string;

  before("a release with a hostile subject, in a hostile place", async () => {
    world = await World.open();
    directory = mkdtempSync("/tmp/nixos-promote-e2e-");
    const clone = ["git", "clone", "--quiet", "--", REPOSITORY, repository];
    await world.grind.must(clone);
    const git = [
      "git",
      "-C",
      repository,
      "-c",
      "user.name=e2e",
      "-c",
      "user.email=e2e@example.com",
    ];
    await world.grind.must([...git, "commit", "--quiet", "--allow-empty", "-F", "-"], {
      input: `${subject.replace("größe ", "größe\n")}\n\nBody: $(touch ${mark})\n`,
    });
    await world.grind.must([...git, "update-ref", `refs/tags/${rev}`, "HEAD"]);
    await world.grind.must([
      "ln",
      "-s",
      "lab-1.secret",
      `/var/lib/nixos-promote/keys/${word.replaceAll("/", "+")}`,
    ]);
    copyFileSync(`${world.lab.dir}/id_ed25519`, `${directory}/$(id) "k" 'k'`);
  });

  after("the lab goes", async () => {
    rmSync(directory, { recursive: true, force: true });
    await world?.close();
  });

  afterEach("nothing of it was ever run", async () => {
    assert.deepEqual(await marked(), []);
  });

  it("would leave its mark if a shell saw it", async () => {
    for (const payload of [word, text, subject, rev]) {
      await run(["sh", "-c", `cd "$0" && : ${payload}`, directory]);
      assert.ok(existsSync(mark), payload);
      rmSync(mark);
    }
  });

  it("is taken as it is everywhere else, by grind and by prod", async () => {
    const probes = {
      "health.1.url": `http://127.0.0.1:9090/login?${word}`,
      "health.1.body": `hypervisor|${text.replaceAll(/[()\\*+?[\]{}]/g, ".")}`,
      "health.10": {
        name: "words",
        kind: "command",
        argv: ["test", text, "=", text],
        place: ["env", `X=${text}`],
      },
    };
    const identityFile = `${directory}/$(id) "k" 'k'`;
    await up("grind", {
      ...probes,
      "release.repo": repository,
      "release.rev": rev,
      "release.signingKeyFile": `/var/lib/nixos-promote/keys/${word.replaceAll("/", "+")}`,
    });
    await up("prod", { ...probes, "host.connection.identityFile": identityFile });
  });

  it("of a commit's subject is in the ledger and in the outputs, letter by letter", async () => {
    for (const host of [world.grind, world.prod]) {
      const ledger = (await host.must(["cat", "/var/lib/nixos-promote/ledger.jsonl"]))
        .trim()
        .split("\n");
      const { release } = JSON.parse(ledger.at(-1) ?? "{}") as { release: { subject: string } };
      assert.equal(release.subject, subject);
      const outputs = await world.project.outputs(host === world.grind ? "grind" : "prod");
      assert.equal((outputs.release as { subject: string }).subject, release.subject);
    }
  });

  it("is refused in settings that have no use for it, all named at once", async () => {
    const said = await leavesAlone(world.prod, () =>
      refusal(world, "grind", {
        ...{ "host.name": word, "host.connection.host": word, "host.connection.user": word },
        ...{
          "release.builder.host": `-oProxyCommand=${touch}`,
          "release.repo": `--upload-pack=${touch}`,
        },
        ...{
          "release.components.0": word,
          "release.hosts.0": `../${word}`,
          "release.system": word,
        },
        ...{ "health.0.unit": `${word}.service`, "health.1.name": word, "health.1.url": text },
      }),
    );
    for (const name of [
      ...["host.name", "host.connection.host", "host.connection.user", "release.builder.host"],
      ...["release.repo", "release.components[0]", "release.hosts[0]", "release.system"],
      ...["health[0].unit", "health[1].name", "health[1].url"],
    ])
      assert.ok(said.includes(`[choiros:${name}] `), `${name} is not named:\n${said}`);
  });

  it("is not found by a revision that looks like an option", async () => {
    const said = await refusal(world, "grind", { "release.rev": `--exec=${touch}` });
    assert.match(said, /\[release\.rev\] /);
  });

  async function up(stack: "grind" | "prod", changes: Record<string, unknown>): Promise<void> {
    const args = ["up", "--yes", "--skip-preview", "--stack", stack];
    const ended = await withSettings(world, stack, changes, () => world.project.pulumi(args));
    assert.equal(ended.code, 0, errorsIn(ended));
  }

  async function marked(): Promise<string[]> {
    const places: [string, boolean][] = [["this machine", existsSync(mark)]];
    for (const host of world.lab.hosts) places.push([host.name, await holds(host)]);
    return places.filter(([, found]) => found).map(([name]) => name);
  }

  async function holds(host: LabHost): Promise<boolean> {
    return (await host.exec(["test", "-e", mark])).code === 0;
  }
});

function complete(stack: "grind" | "prod"): Record<string, unknown> {
  return Object.entries(OPTIONAL[stack]).reduce(
    (settings, [path, value]) => put(settings, path.split("."), value),
    settingsOf(stack),
  );
}

function stringsIn(value: unknown, path: Path = []): Path[] {
  if (typeof value === "string") return [path];
  if (Array.isArray(value))
    return value.flatMap((item, index) => stringsIn(item, [...path, index]));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => stringsIn(item, [...path, key]));
}

function put(
  settings: Record<string, unknown>,
  path: Path,
  value: unknown,
): Record<string, unknown> {
  const copy = structuredClone(settings);
  let at: Record<string | number, unknown> = copy;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
  at[path.at(-1) ?? ""] = value;
  return copy;
}

function accepted(raw: Record<string, unknown>): Settings | undefined {
  try {
    return parseSettings(raw);
  } catch (error) {
    assert.match((error as Error).message, /^ {2}\[choiros:/m);
    return undefined;
  }
}

/** What ssh is started with: our own options, and the setting's text as the word after its flag. */
function assertWords({ host, release }: Settings): void {
  const ends = release.from === "build" ? [host.connection, release.builder] : [host.connection];
  for (const end of ends) {
    if (end.kind !== "ssh") continue;
    assert.match(end.host, /^[^-\s][^\s]*$/);
    const options = sshOptions(end);
    const texts: unknown[] = [end.user, end.identityFile];
    options.forEach((option, index) => {
      if (texts.includes(option)) assert.match(options[index - 1] ?? "", /^-[li]$/);
      else assert.match(option, /^(-[TxaolpFi]|\d+|[A-Za-z]+=[^\n]*|\/[^\n]*)$/);
    });
  }
  assert.deepEqual(remoteCommand("exit"), remoteCommand("true"));
}

/** What a host script reads: every text comes back as it was. */
function assertData(argument: Argument): void {
  const decoded = decodeLines(flatten(argument));
  const leaves = stringsIn(argument);
  for (const path of leaves) {
    let at: unknown = argument;
    for (const key of path) at = (at as Record<string | number, unknown>)[key];
    assert.equal(decoded.get(path.join(".")), at);
  }
}
