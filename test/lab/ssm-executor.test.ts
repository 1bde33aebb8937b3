import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { flatten } from "../../providers/executors/argument.ts";
import { ownDocument } from "../../providers/executors/aws-ssm-request.ts";
import { localExecutor } from "../../providers/executors/local.ts";
import { type Command, scriptOf } from "../../providers/executors/script.ts";
import { sshExecutor } from "../../providers/executors/ssh.ts";
import { eventually, fails, SsmWorld } from "./ssm-world.ts";

const COMMANDS: readonly Command[] = [
  ...(["observe", "describe", "missing", "root", "forget", "resolve"] as const),
  ...(["start", "follow", "confirm", "cancel"] as const),
];

describe("a host reached through SSM", function () {
  this.timeout(120_000);
  let world: SsmWorld;

  before("a lab with an endpoint", async function () {
    this.timeout(600_000);
    world = await SsmWorld.open();
  });

  beforeEach(() => world.settle());

  after(() => world?.close());

  it("runs a script in bash, as root, with its input, whatever characters are in it", async () => {
    const input = "{{ssm:secret}} '\"`$(id) größe\n";
    const script = 'read -r x; [[ $x == *größe ]] && printf "%s|%s|%s" "$x" "$UID" "${BASH##*/}"';
    assert.equal(await world.run(script, input), `${input.trimEnd()}|0|bash`);
  });

  it("finds the programs of the system, of which the agent's own PATH has none", async () => {
    const unit = await world.prod.must(["systemctl", "cat", "amazon-ssm-agent"]);
    assert.match(unit, /PATH=\/run\/amazon-ssm-agent\/bin\n/);
    await assert.rejects(world.prod.must(["test", "-e", "/run/amazon-ssm-agent/bin/bash"]));
    assert.match(await world.run("command -v nix curl"), /nix\n.*curl\n/);
  });

  it("runs the bytes of every host script, on the bytes of its input, as over ssh and on this machine", async () => {
    const executors = [
      world.executor(),
      sshExecutor({ kind: "ssh", host: "choiros-prod" }),
      localExecutor(),
    ];
    for (const command of COMMANDS) {
      // It says which bytes it is and which it reads, before any of them does a thing.
      const script = `printf %s "$BASH_EXECUTION_STRING" | sha256sum; sha256sum; exit\n${scriptOf(command)}`;
      const input = flatten({ script: scriptOf("activate"), text: "größe {{ x }} '\"`$\\" });
      const expected = `${sha256(script.trimEnd())}  -\n${sha256(input)}  -\n`;
      for (const executor of executors)
        assert.equal(
          await executor.run(script, input, { timeoutSeconds: 30, fresh: false }),
          expected,
          `${command} over ${executor.host}`,
        );
    }
    for (const executor of executors) executor.close();
  });

  it("loses nothing of an answer that is many times longer than SSM shows", async () => {
    const before = await world.commands();
    const size = await world.run(
      "head -c 90000 /dev/urandom | base64 -w 0 | tee /run/long | wc -c",
    );
    const text = await world.run("cat /run/long");
    assert.equal(text.length, Number(size));
    assert.equal(text, await world.prod.must(["cat", "/run/long"]));
    assert.ok((await world.commands()) - before > 4, "it came in one piece");
  });

  it("is sent what is too large for one command, and keeps nothing of it", async () => {
    const input = randomBytes(120_000).toString("base64");
    assert.equal(await world.run("cat", input), input);
    const find = ["find", "/run/nixos-promote/ssm", "-name", "upload-*", "-o", "-name", "input"];
    assert.equal(await world.prod.must(find), "");
  });

  it("tells the exit of a script and the end of what it said, and the agent never sees it", async () => {
    for (const code of [1, 168, 194]) {
      const { script, runs } = world.counted(`echo "reason ${code}" >&2; exit ${code}`);
      await fails("script", new RegExp(`exit ${code}: reason ${code}`), world.run(script));
      assert.equal(await runs(), 1);
    }
  });

  it("takes a document of our own, in which no shell text fits", async () => {
    const sdk = await import("@aws-sdk/client-ssm");
    const client = new sdk.SSMClient({});
    const Name = "nixos-promote-run";
    const Content = JSON.stringify(ownDocument());
    await client
      .send(new sdk.CreateDocumentCommand({ Name, Content, DocumentType: "Command" }))
      .catch((error) => assert.equal(error.name, "DocumentAlreadyExists"));
    const { instanceId } = world.prod;
    const own = world.executor({ instanceId, document: Name });
    assert.equal(await own.run("cat", "hello", { timeoutSeconds: 20, fresh: false }), "hello");
    const injected = { action: ["run"], payload: ["';touch /run/injected;'"] };
    const command = { DocumentName: Name, InstanceIds: [instanceId], Parameters: injected };
    await assert.rejects(client.send(new sdk.SendCommandCommand(command)), {
      name: "InvalidParameters",
    });
    client.destroy();
  });

  it("is found by its tags, and not if nothing has them", async () => {
    const idOf = (tag: Record<string, string>) =>
      world.executor({ tag }).run("cat /etc/machine-id", "", { timeoutSeconds: 20, fresh: true });
    assert.equal((await idOf({ Name: "choiros-prod" })).trim(), world.prod.machineId);
    await fails(
      "unreachable",
      /Name=nobody: SSM has no such instance.*`tag`/s,
      idOf({ Name: "nobody" }),
    );
  });

  describe("is not reached", () => {
    it("when its agent is stopped: since when, and what to start", async () => {
      await world.lab.ssm.stop(world.prod.instanceId);
      await fails(
        "unreachable",
        /SSM agent is offline \(ConnectionLost\) since \d{4}-.*Start the machine, or amazon-ssm-agent/s,
        world.run("true"),
      );
      await world.lab.ssm.resume(world.prod.instanceId);
      assert.equal(await world.run("echo back"), "back\n");
    });

    it("when it is cut off from the network, and is again afterwards", async () => {
      const isOnline = async () =>
        (await world.lab.ssm.state()).instances.find(
          ({ instanceId }) => instanceId === world.prod.instanceId,
        )?.online === true;
      await world.prod.cutNetwork();
      await eventually(async () => !(await isOnline()));
      await fails("unreachable", /is offline/, world.run("true"));
      await world.prod.restoreNetwork();
      await eventually(isOnline);
      assert.equal(await world.run("echo back"), "back\n");
    });

    it("when SSM does not know it: which settings, and which role", async () => {
      await world.lab.ssm.inject({ unregistered: { instances: [world.prod.instanceId] } });
      await fails(
        "unreachable",
        /SSM has no such instance\. Check `instanceId` and `region`.*AmazonSSMManagedInstanceCore/s,
        world.run("true"),
      );
    });

    it("when the endpoint does not answer", async () => {
      process.env["AWS_ENDPOINT_URL_SSM"] = "http://127.0.0.1:9";
      await fails(
        "unreachable",
        /endpoint cannot be reached\. Check `region`.*AWS_ENDPOINT_URL_SSM/s,
        world.run("true"),
      );
    });

    it("when no region is set", async () => {
      for (const name of ["AWS_REGION", "AWS_DEFAULT_REGION"]) delete process.env[name];
      process.env["AWS_CONFIG_FILE"] = "/dev/null";
      await fails(
        "refused",
        /no AWS region is set\. Set `region`, or AWS_REGION/,
        world.run("true"),
      );
    });

    it("when the document does not exist", async () => {
      const { instanceId } = world.prod;
      const executor = world.executor({ instanceId, document: "nobody-made-this" });
      await fails(
        "refused",
        /no such SSM document\. Check `document`/,
        executor.run("true", "", { timeoutSeconds: 20, fresh: false }),
      );
    });
  });

  describe("is not ours to reach", () => {
    it("when the credentials have expired", async () => {
      await world.lab.ssm.inject({ expired: {} });
      await fails("auth", /credentials have expired\. Sign in again/, world.run("true"));
      await world.happened("expired");
    });

    it("when the secret is wrong", async () => {
      process.env["AWS_SECRET_ACCESS_KEY"] = "another";
      await fails("auth", /AWS does not know these credentials/, world.run("true"));
    });

    it("when there are no credentials", async () => {
      delete process.env["AWS_ACCESS_KEY_ID"];
      process.env["AWS_SHARED_CREDENTIALS_FILE"] = "/dev/null";
      process.env["AWS_CONFIG_FILE"] = "/dev/null";
      await fails("auth", /there are no AWS credentials\. Set `profile`/, world.run("true"));
    });

    it("when the profile does not exist", async () => {
      const executor = world.executor({ instanceId: world.prod.instanceId, profile: "nobody" });
      process.env["AWS_CONFIG_FILE"] = "/dev/null";
      await fails(
        "auth",
        /`profile`/,
        executor.run("true", "", { timeoutSeconds: 20, fresh: false }),
      );
    });

    for (const operation of ["DescribeInstanceInformation", "SendCommand", "GetCommandInvocation"])
      it(`when the policy lacks ssm:${operation}, which is named`, async () => {
        await world.lab.ssm.inject({ denied: { operations: [operation] } });
        const sentence = new RegExp(`policy of these credentials lacks ssm:${operation}`);
        await fails("auth", sentence, world.run("true"));
        await world.happened("denied");
      });

    it("any more, in the middle: what was asked may have been done, and that is said", async () => {
      const running = world.run("sleep 3");
      await world.begun();
      await world.lab.ssm.inject({ expired: {} });
      await fails("auth", /have expired.*What was asked may have been done/s, running);
    });
  });
});

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
