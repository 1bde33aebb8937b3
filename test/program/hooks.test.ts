import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getPlanInputs, systemProfileInputs } from "../../contract/resources.ts";
import { type CommandInputs, runAsLogin, runLocally } from "../support/command-plugin.ts";
import { type Ran, runProgram, TRANSACTION } from "../support/program.ts";
import type { Registration } from "../support/registrations.ts";
import { GRIND, MANIFEST, REV, SYSTEM_A, SYSTEM_B, withId } from "../support/samples.ts";

const SUBJECT = "say $(hello) `now` '; \"";
const release = { rev: REV, subject: SUBJECT, builder: GRIND };
const offer = {
  release: { ...release, manifest: withId({ ...MANIFEST, subject: SUBJECT }) },
  healthy: true,
};
const on = { host: "192.0.2.20", hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA" };

function run(hooks: object, more: object = {}): Promise<Ran> {
  return runProgram({ stack: "prod", offer, config: { "choiros:hooks": hooks }, ...more });
}

function commandsOf({ registrations }: Ran): Registration[] {
  return registrations.filter(({ type }) => type.startsWith("command:"));
}

async function only(hooks: object): Promise<Registration> {
  const [command, ...more] = commandsOf(await run(hooks));
  assert.ok(command !== undefined && more.length === 0);
  return command;
}

async function inputsOf(hook: object): Promise<CommandInputs> {
  return (await only({ after: [hook] })).inputs as unknown as CommandInputs;
}

const show = ["sh", "-c", 'env | grep ^NIXOS_PROMOTE_ | sort; printf "<%s>" "$@"', "show"];

describe("hooks", () => {
  describe("around an activation", () => {
    const command = (name: string) => ({ kind: "command", name, argv: ["true"] });
    let commands: Registration[];
    let ran: Ran;

    before(async () => {
      ran = await run({
        before: [command("backup"), command("announce")],
        after: [command("thank"), command("warm-up")],
      });
      commands = commandsOf(ran);
    });

    it("are children of the activation, named after the host, their place and themselves", () => {
      assert.deepEqual(
        commands.map(({ type, name, parent }) => [type, name, parent]),
        ["before-backup", "before-announce", "after-thank", "after-warm-up"].map((name) => [
          "command:local:Command",
          `choiros-prod-${name}`,
          "choiros:index:Activation::choiros-prod",
        ]),
      );
    });

    it("run in turn: the closure, those before, the switch, those after", () => {
      const closure = "nixos:index:Closure::choiros-prod-closure";
      const of = (name: string) =>
        ran.registrations.find((resource) => resource.name === name)?.dependsOn;
      const local = (name: string) => `command:local:Command::choiros-prod-${name}`;
      assert.deepEqual(of("choiros-prod-before-backup"), [closure]);
      assert.deepEqual(of("choiros-prod-before-announce"), [local("before-backup"), closure]);
      assert.deepEqual(of("choiros-prod-system"), [
        ...[local("before-announce"), local("before-backup"), closure],
      ]);
      const system = "nixos:index:SystemProfile::choiros-prod-system";
      assert.ok(of("choiros-prod-after-thank")?.includes(system));
      assert.ok(of("choiros-prod-after-warm-up")?.includes(local("after-thank")));
    });

    it("have no triggers, which replace, and no delete, which a replacement would run", () => {
      for (const { inputs } of commands) {
        assert.equal(inputs["triggers"], undefined);
        assert.equal(inputs["delete"], undefined);
        assert.equal(inputs["update"], undefined);
      }
    });

    it("keep what they print out of the readable state, and of each other's environment", () => {
      for (const { inputs, secretOutputs } of commands) {
        assert.deepEqual(secretOutputs, ["stdout", "stderr"]);
        assert.equal(inputs["addPreviousOutputInEnv"], false);
      }
    });
  });

  it("run again for another release or another transaction: both are in their environment", async () => {
    const hook = { kind: "command", name: "tell", argv: ["true"] };
    const [before, after] = commandsOf(await run({ before: [hook], after: [hook] }));
    const facts = {
      NIXOS_PROMOTE_HOST: "choiros-prod",
      NIXOS_PROMOTE_REV: REV,
      NIXOS_PROMOTE_SUBJECT: SUBJECT,
      NIXOS_PROMOTE_TOPLEVEL: SYSTEM_B,
    };
    assert.deepEqual(before?.inputs["environment"], facts);
    assert.deepEqual(after?.inputs["environment"], {
      ...facts,
      NIXOS_PROMOTE_TRANSACTION: TRANSACTION.id,
      NIXOS_PROMOTE_PREVIOUS_SYSTEM: SYSTEM_A,
    });
  });

  describe("of this machine", () => {
    it("get their words and the facts as they are: no shell reads them", async () => {
      const inputs = await inputsOf({
        ...{ kind: "command", name: "show", argv: [...show, "a b", "$(id)", "'"] },
      });
      const { code, output } = await runLocally(inputs);
      assert.equal(code, 0, output);
      assert.ok(output.includes(`NIXOS_PROMOTE_SUBJECT=${SUBJECT}\n`), output);
      assert.ok(output.endsWith("<a b><$(id)><'>"), output);
    });

    it("are ended, with what they have started, when their time is over", async () => {
      const argv = ["sh", "-c", "sleep 60 & echo begun; wait"];
      const inputs = await inputsOf({ kind: "command", name: "slow", argv, timeoutSeconds: 1 });
      const since = Date.now();
      const { code, output } = await runLocally(inputs); // ends only when nobody holds its output
      assert.equal(code, 124);
      assert.equal(output, "begun\n");
      assert.ok(Date.now() - since < 8000);
    });

    it("tell their exit code", async () => {
      const argv = ["sh", "-c", "echo why; exit 7"];
      const inputs = await inputsOf({ kind: "command", name: "fail", argv });
      assert.deepEqual(await runLocally(inputs), { code: 7, output: "why\n" });
    });

    it("say nothing of what they print when that is to be discarded, not even as they fail", async () => {
      const argv = ["sh", "-c", "echo secret; echo secret >&2; exit 7"];
      const hook = { kind: "command", name: "quiet", argv, output: "discarded" };
      const { code, output } = await runLocally(await inputsOf(hook));
      assert.equal(code, 1);
      assert.equal(output, "exit 7; its output was discarded\n");
    });
  });

  describe("of another machine", () => {
    const hook = { kind: "command", name: "show", argv: [...show, "a b", "$(id)", "'"], on };

    it("are run by a command that is the same for all; words and facts come on stdin", async () => {
      const { type, inputs } = await only({ after: [hook] });
      const other = await only({ before: [{ ...hook, argv: ["true"] }] });
      assert.equal(type, "command:remote:Command");
      assert.equal(inputs["create"], other.inputs["create"]);
      assert.equal(inputs["environment"], undefined);
      for (const shell of ["/bin/sh", "/bin/bash"]) {
        const { code, output } = await runAsLogin(inputs as unknown as CommandInputs, shell);
        assert.equal(code, 0, output);
        assert.ok(output.includes(`NIXOS_PROMOTE_SUBJECT=${SUBJECT}\n`), output);
        assert.ok(output.endsWith("<a b><$(id)><'>"), output);
      }
    });

    it("take no order from a commit's subject, however many lines it has", async () => {
      const subject = "one\narg=/no/such/program\r\ncd=/usr";
      const manifest = withId({ ...MANIFEST, subject });
      const said = { release: { ...release, subject, manifest }, healthy: true };
      const argv = ["sh", "-c", 'printf "<%s>" "$@" "$NIXOS_PROMOTE_SUBJECT"', "x", "end"];
      const ran = await run({ after: [{ ...hook, argv }] }, { offer: said });
      const { inputs } = commandsOf(ran)[0] as Registration;
      assert.deepEqual(await runAsLogin(inputs as unknown as CommandInputs), {
        ...{ code: 0, output: "<end><one arg=/no/such/program  cd=/usr>" },
      });
    });

    it("run where they are told to, for as long as they may", async () => {
      const inputs = await inputsOf({ ...hook, argv: ["pwd"], directory: "/usr" });
      assert.deepEqual(await runAsLogin(inputs), { code: 0, output: "/usr\n" });
      const slow = await inputsOf({ ...hook, argv: ["sleep", "60"], timeoutSeconds: 1 });
      assert.equal((await runAsLogin(slow)).code, 124);
    });

    it("are reached with the pinned key, a limit, and no private key in the state", async () => {
      const { inputs } = await only({ after: [hook] });
      const { value } = inputs["connection"] as { value: object }; // the plugin's SDK makes it a secret
      assert.deepEqual(value, {
        ...on,
        ...{ user: "root", port: 22, dialErrorLimit: 3, perDialTimeout: 15 },
      });
    });

    it("are refused without a pinned key, before anything is touched", async () => {
      const unpinned = { ...hook, on: { host: "192.0.2.20" } };
      await assert.rejects(
        run({ after: [unpinned] }),
        /nothing was touched\.\n {2}\[choiros:hooks\.after\[0\]\.on\.hostKey\] must be given: without it, anybody's machine would be trusted$/,
      );
    });
  });

  describe("of kind http", () => {
    let server: Server;
    let url: string;
    let answers: number[];

    beforeEach(async () => {
      server = createServer((request, response) => {
        if (request.url === "/elsewhere") return void response.end();
        const status = answers.length > 1 ? answers.shift() : answers[0];
        response.writeHead(status ?? 500, { location: "/elsewhere" }).end("hello");
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/?a=$(id)&b='`;
    });
    afterEach(() => server.close());

    const smoke = (more: object) => ({ kind: "http", name: "public", url, ...more });

    it("pass when the page answers, also if only after a while", async () => {
      answers = [503, 200];
      const ended = await runLocally(await inputsOf(smoke({ deadlineSeconds: 10 })));
      assert.deepEqual(ended, { code: 0, output: "" });
    });

    it("fail on another status, and follow no redirect to a page that would answer", async () => {
      answers = [302];
      const { code, output } = await runLocally(await inputsOf(smoke({ deadlineSeconds: 1 })));
      assert.equal(code, 1);
      assert.equal(output, `${url} answered 302 and not 200, for 1 s\n`);
    });

    it("fail where nothing listens", async () => {
      answers = [200];
      const inputs = await inputsOf(smoke({ deadlineSeconds: 1 }));
      await new Promise((resolve) => server.close(resolve));
      assert.match((await runLocally(inputs)).output, /answered 000 and not 200/);
    });
  });

  for (const [what, hooks, said] of [
    [
      "two of one name",
      { after: Array(2).fill({ kind: "command", name: "a", argv: ["x"] }) },
      /\[choiros:hooks\.after\] must give every hook/,
    ],
    [
      "a word of two lines",
      { after: [{ kind: "command", name: "a", argv: ["x\ny"] }] },
      /\[choiros:hooks\.after\[0\]\.argv\[0\]\] must be one line/,
    ],
    [
      "a private key",
      { after: [{ kind: "command", name: "a", argv: ["x"], on: { ...on, privateKey: "x" } }] },
      /\[choiros:hooks\.after\[0\]\.on\.privateKey\] There is no setting/,
    ],
  ] as const)
    it(`refuse ${what}`, () => assert.rejects(run(hooks), said));
});

describe("smoke tests", () => {
  const smoke = [{ kind: "http", name: "public", url: "https://os.example.com/login" }];

  it("are given to the provider, which confirms nothing that fails them", async () => {
    const ran = await runProgram({ stack: "prod", offer, config: { "choiros:smoke": smoke } });
    const inputs = ran.inputsOf("nixos:index:SystemProfile");
    assert.deepEqual(inputs["smoke"], smoke);
    systemProfileInputs.parse(inputs);
  });

  it("are named by the preview", async () => {
    const ran = await runProgram({
      ...{ stack: "prod", offer, preview: true, config: { "choiros:smoke": smoke } },
    });
    const asked = ran.calls.find(({ token }) => token === "nixos:index:getPlan")?.inputs;
    assert.deepEqual(getPlanInputs.parse(asked).smoke, smoke);
  });

  it("are no input where there are none: the state of a stack without them stays as it is", async () => {
    const ran = await runProgram({ stack: "prod", offer });
    assert.equal("smoke" in ran.inputsOf("nixos:index:SystemProfile"), false);
  });
});
