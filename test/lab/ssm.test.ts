import assert from "node:assert/strict";
import { join } from "node:path";
import { run } from "../../lab/process.ts";
import { type Credentials, requireSignature } from "../../lab/ssm/signature.ts";
import { SsmWorld } from "./ssm-world.ts";
import { traces } from "./traces.ts";

const BOTO3 = join(import.meta.dirname, "ssm-boto3.py");

describe("the lab's SSM endpoint", function () {
  this.timeout(120_000);
  let world: SsmWorld;

  before("a lab with an endpoint", async function () {
    this.timeout(600_000);
    world = await SsmWorld.open();
  });

  after(() => world?.close());

  it("is SSM to boto3, which is not ours", async () => {
    const { env } = world.lab;
    const argv = [env["AWS_ENDPOINT_URL_SSM"], env["AWS_REGION"], world.prod.instanceId];
    const ran = await run(["python3", BOTO3, ...argv.map(String)], { env });
    assert.equal(ran.code, 0, `${ran.stdout}${ran.stderr}`);
    assert.equal(ran.stdout.trim().split("\n").length, 8, ran.stdout);
  });

  it("brings the agent of a host back after a power cut, and has not lost the instance", async () => {
    await world.settle();
    await world.prod.powerCut();
    await world.prod.boot();
    const giveUp = Date.now() + 20_000;
    for (;;) {
      const said = await world.run("echo back").catch((error: Error) => error.message);
      if (said === "back\n") break;
      assert.match(said, /offline/);
      assert.ok(Date.now() < giveUp, said);
    }
  });

  it("goes with the lab, agents, files and all", async () => {
    await world.close();
    assert.deepEqual(traces(world.lab.instance), []);
  });
});

describe("the check of a signature", () => {
  const credentials: Credentials = {
    accessKeyId: "AKIDEXAMPLE",
    secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  };
  const now = Date.UTC(2026, 0, 2, 3, 4, 5);
  const request = {
    method: "POST",
    target: "/",
    headers: {
      host: "localhost",
      "x-amz-date": "20260102T030405Z",
      "x-amz-target": "AmazonSSM.ListCommands",
      authorization: "",
    },
    body: Buffer.from("{}"),
  };

  for (const [what, authorization, code] of [
    ["no signature", "", "MissingAuthenticationTokenException"],
    [
      "an unknown key",
      "AWS4-HMAC-SHA256 Credential=AKIDOTHER/20260102/eu-central-1/ssm/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature=" +
        "0".repeat(64),
      "UnrecognizedClientException",
    ],
    [
      "a wrong signature",
      "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/eu-central-1/ssm/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature=" +
        "0".repeat(64),
      "InvalidSignatureException",
    ],
    [
      "a target that is not signed",
      "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/eu-central-1/ssm/aws4_request, SignedHeaders=host;x-amz-date, Signature=" +
        "0".repeat(64),
      "InvalidSignatureException",
    ],
  ] as const)
    it(`refuses ${what}`, () => {
      const headers = { ...request.headers, authorization };
      assert.throws(
        () => requireSignature({ ...request, headers }, credentials, "eu-central-1", now),
        { code },
      );
    });
});
