import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import {
  type AwsSsmConnection,
  connection,
  describeConnection,
} from "../../contract/connection.ts";
import { Failure, type FailureKind } from "../../providers/errors.ts";
import { awsSsmExecutor, pauseMilliseconds } from "../../providers/executors/aws-ssm.ts";
import { onlyOnline, type SsmApi } from "../../providers/executors/aws-ssm-api.ts";
import { awsFailure, isPassing, mayHaveArrived } from "../../providers/executors/aws-ssm-errors.ts";
import {
  DEFAULT_DOCUMENT,
  ownDocument,
  PAYLOAD_LIMIT,
  pack,
  parametersOf,
  piecesOf,
  type Question,
  replyOf,
  unpack,
} from "../../providers/executors/aws-ssm-request.ts";
import { type Command, scriptOf } from "../../providers/executors/script.ts";
import { anyText, HOSTILE } from "../support/hostile.ts";

const ID = "i-0123456789abcdef0";
const REQUEST = "0123456789abcdef0123456789abcdef";
const WRAPPER = readFileSync(
  new URL("../../providers/executors/aws-ssm-run.sh", import.meta.url),
  "utf8",
);
const ssm = (more: object) => ({ kind: "awsSsm", instanceId: ID, ...more });
const accepts = (value: unknown) => connection.safeParse(value).success;

describe("a connection over AWS SSM", () => {
  it("names an instance by its id or by its tags, and not by both or neither", () => {
    assert.ok(accepts(ssm({})));
    assert.ok(accepts(ssm({ instanceId: "i-01234567" })));
    assert.ok(accepts(ssm({ instanceId: "mi-0123456789abcdef0" })));
    assert.ok(accepts({ kind: "awsSsm", tag: { Name: "choiros prod", "team:role": "web/1" } }));
    assert.equal(accepts({ kind: "awsSsm" }), false);
    assert.equal(accepts({ kind: "awsSsm", tag: {} }), false);
    assert.equal(accepts(ssm({ tag: { Name: "prod" } })), false);
  });

  it("has bounded numbers and no unknown fields", () => {
    assert.ok(accepts(ssm({ region: "eu-central-1", profile: "ops", deliveryTimeoutSeconds: 30 })));
    assert.ok(accepts(ssm({ region: "us-gov-west-1" })));
    for (const deliveryTimeoutSeconds of [29, 3601, 60.5])
      assert.equal(accepts(ssm({ deliveryTimeoutSeconds })), false);
    assert.equal(accepts(ssm({ secretAccessKey: "x" })), false);
    assert.equal(accepts(ssm({ region: "europe" })), false);
  });

  for (const text of HOSTILE)
    it(`${JSON.stringify(text)} is neither an instance, a region nor a document`, () => {
      for (const name of ["instanceId", "region", "document"])
        assert.equal(accepts(ssm({ [name]: text })), false, name);
    });

  it("is called by what names the instance", () => {
    assert.equal(describeConnection({ kind: "awsSsm", instanceId: ID }), ID);
    assert.equal(
      describeConnection({ kind: "awsSsm", tag: { b: "2", a: "1" }, region: "eu-west-1" }),
      "the instance with a=1, b=2 in eu-west-1",
    );
  });
});

describe("a command for SSM", () => {
  const question: Question = { action: "run", request: REQUEST, payload: "QUJD", scriptBytes: 7 };

  it("holds nothing that SSM interpolates, and no quote around data that data could close", () => {
    fc.assert(
      fc.property(anyText, anyText, (script, input) => {
        const payload = pack(script, input);
        const { commands = [] } = parametersOf({ ...question, payload }, DEFAULT_DOCUMENT, 30);
        assert.doesNotMatch(commands.join("\n"), /\{\{/);
        assert.ok(commands.includes(`payload='${payload}'`));
        assert.match(payload, /^[A-Za-z0-9+/=]*$/);
      }),
    );
  });

  it("refuses a value of another alphabet, whoever made it", () => {
    for (const payload of ["a'; id; '", "{{ssm:x}}", "a\nb"])
      assert.throws(
        () => parametersOf({ ...question, payload }, DEFAULT_DOCUMENT, 30),
        /payload .* alphabet/,
      );
  });

  it("carries every host script in one piece, and the largest job in two", () => {
    const commands: Command[] = ["observe", "describe", "missing", "follow", "resolve"];
    for (const command of commands) assert.equal(piecesOf(pack(scriptOf(command), "")).length, 1);
    assert.equal(piecesOf(pack(scriptOf("start"), scriptOf("activate"))).length, 2);
  });

  it("stays below SSM's 64 KB, however large the payload is", () => {
    const pieces = piecesOf("A".repeat(200_000));
    assert.equal(pieces.join("").length, 200_000);
    for (const payload of pieces) {
      assert.equal(Math.min(payload.length % 4, PAYLOAD_LIMIT - payload.length), 0);
      const parameters = parametersOf({ ...question, payload }, DEFAULT_DOCUMENT, 30);
      assert.ok(JSON.stringify(parameters).length < 64_000);
    }
  });

  it("sets the execution timeout, which the agent would otherwise take for an hour", () => {
    assert.deepEqual(parametersOf(question, DEFAULT_DOCUMENT, 35)["executionTimeout"], ["35"]);
  });

  it("is the same script in a document of our own, with values that fit its patterns", () => {
    const document = ownDocument() as {
      parameters: Record<string, { allowedPattern: string }>;
      mainSteps: [{ inputs: { runCommand: string[] } }];
    };
    assert.ok(document.mainSteps[0].inputs.runCommand.join("\n").endsWith(WRAPPER.trimEnd()));
    for (const [name, [value = ""]] of Object.entries(parametersOf(question, "ours", 35)))
      assert.match(value, new RegExp(document.parameters[name]?.allowedPattern ?? "^$"), name);
    for (const [name, { allowedPattern }] of Object.entries(document.parameters))
      for (const text of ["'", "a'b", "$(id)", "{{x}}", "a b", "1\n2"])
        assert.doesNotMatch(text, new RegExp(allowedPattern), name);
  });

  it("has the document that docs/aws-ssm-document.json shows", () => {
    const file = new URL("../../docs/aws-ssm-document.json", import.meta.url);
    assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), ownDocument());
  });
});

describe("the bytes that a host runs over SSM", () => {
  it("are those of the script, and then its input", () => {
    fc.assert(
      fc.property(anyText, anyText, (script, input) => {
        const packed = Buffer.from(piecesOf(pack(script, input)).join(""), "base64");
        assert.equal(unpack(packed), Buffer.from(`${script}${input}`).toString("utf8"));
      }),
    );
  });
});

describe("an answer over SSM", () => {
  const gz = (text: string) => gzipSync(text).toString("base64");

  it("is read, with the end of stderr", () => {
    const reply = replyOf(`nixos-promote answer ${REQUEST} 3 20\n${gz("oops")}\n${gz("out")}\n`);
    assert.ok(reply?.kind === "answer");
    assert.deepEqual([reply.code, reply.stderr, reply.size], [3, "oops", 20]);
    assert.equal(unpack(reply.packed), "out");
  });

  for (const kind of ["put", "running", "cut", "unreadable"] as const)
    it(`can be ${kind}`, () =>
      assert.deepEqual(replyOf(`nixos-promote ${kind} ${REQUEST}\n`), { kind }));

  it("that is none of ours, or is cut off, is no answer", () => {
    const whole = `nixos-promote answer ${REQUEST} 0 20\n${gz("a longer text on stderr")}\n`;
    for (const text of ["", "hello\n", "nixos-promote later x\n", whole.slice(0, 70)])
      assert.equal(replyOf(text), undefined, text);
  });

  it("fits into what SSM shows of it, whatever its size", () => {
    const [, inAnswer = ""] = /head -c (\d+) "\$dir/.exec(WRAPPER) ?? [];
    const [, inGet = ""] = /head -c (\d+) \| base64/.exec(WRAPPER) ?? [];
    const stderr = gzipSync(Buffer.alloc(2000)).length + 2100;
    const base64 = (bytes: number) => Math.ceil(bytes / 3) * 4;
    assert.ok(100 + base64(stderr) + base64(Number(inAnswer)) < 24_000);
    assert.ok(100 + base64(Number(inGet)) < 24_000);
  });
});

describe("what AWS says", () => {
  const named = (name: string, message = "") => Object.assign(new Error(message), { name });
  const table: [FailureKind, RegExp, Error][] = [
    ["auth", /have expired/, named("ExpiredTokenException", "The security token is expired")],
    ["auth", /have expired/, named("CredentialsProviderError", "The SSO session has expired")],
    ["auth", /are no AWS credentials/, named("CredentialsProviderError", "Could not load")],
    ["auth", /does not know these/, named("UnrecognizedClientException")],
    ["auth", /does not know these.*clock/, named("InvalidSignatureException")],
    ["auth", /lacks ssm:SendCommand/, named("AccessDeniedException", "User: x is not authorized")],
    ["unreachable", /`instanceId`/, named("InvalidInstanceId", "not in a valid state")],
    ["refused", /`document`/, named("InvalidDocument")],
    ["refused", /`region`/, named("Error", "Region is missing")],
    ["unreachable", /throttles/, named("ThrottlingException", "Rate exceeded")],
    [
      "unreachable",
      /`region`.*AWS_ENDPOINT_URL_SSM/,
      Object.assign(new Error("getaddrinfo ENOTFOUND ssm.eu-west-9.amazonaws.com"), {
        code: "ENOTFOUND",
      }),
    ],
    ["unreachable", /did not take the call/, named("SomethingNew", "hm")],
  ];
  for (const [kind, sentence, error] of table)
    it(`${error.name} ${error.message} is ${kind}`, () => {
      const failure = awsFailure("prod", "ssm:SendCommand", error);
      assert.equal(failure.kind, kind, failure.message);
      assert.match(failure.message, sentence);
      assert.doesNotMatch(failure.message, /may have been done/);
      assert.match(
        awsFailure("prod", "ssm:SendCommand", error, true).message,
        /may have been done/,
      );
    });

  it("passes if it is of the network or of the moment, and not if it is of the policy", () => {
    for (const name of ["ThrottlingException", "TimeoutError", "InternalServerError"])
      assert.ok(isPassing(named(name)), name);
    for (const name of ["AccessDeniedException", "ExpiredTokenException", "InvalidDocument"])
      assert.equal(isPassing(named(name)), false, name);
  });
});

describe("a command of which nobody knows whether SSM took it", () => {
  it("is sent again under the same id, so that it runs once", async () => {
    const requests: string[] = [];
    const api: SsmApi = {
      instance: async () => ID,
      async send(_, { parameters }) {
        requests.push(parameters["request"]?.[0] ?? "");
        if (requests.length === 1) throw new Failure("lost", "the line went dead");
        return "command-2";
      },
      async invocation() {
        const packed = gzipSync("done");
        const head = `nixos-promote answer ${requests[1]} 0 ${packed.length}`;
        const stdout = `${head}\n${gzipSync("").toString("base64")}\n${packed.toString("base64")}\n`;
        return { status: "Success", details: "Success", stdout, stderr: "" };
      },
      async cancel() {},
      close() {},
    };
    const executor = awsSsmExecutor({ kind: "awsSsm", instanceId: ID, document: "ours" }, api);
    const options = { timeoutSeconds: 5, fresh: false };
    assert.equal(await executor.run("echo done", "", options), "done");
    assert.equal(requests.length, 2);
    assert.equal(requests[0], requests[1]);
  });

  it("is told from one that never left", () => {
    for (const name of ["ECONNRESET", "TimeoutError", "InternalServerError"])
      assert.ok(mayHaveArrived(Object.assign(new Error(name), { name })), name);
    for (const name of [
      "ECONNREFUSED",
      "ENOTFOUND",
      "ThrottlingException",
      "AccessDeniedException",
    ])
      assert.equal(mayHaveArrived(Object.assign(new Error(name), { name })), false, name);
  });
});

describe("the instance behind a connection", () => {
  const byTag: AwsSsmConnection = { kind: "awsSsm", tag: { Name: "prod" } };
  const seen = (InstanceId: string, PingStatus: "Online" | "ConnectionLost", day = 1) => ({
    InstanceId,
    PingStatus,
    LastPingDateTime: new Date(Date.UTC(2026, 0, day)),
  });
  const failure = (attempt: () => unknown): Failure => {
    try {
      attempt();
    } catch (error) {
      if (error instanceof Failure) return error;
    }
    throw new assert.AssertionError({ message: "it should have failed" });
  };

  it("is the one that is online, whatever of its name has gone before", () => {
    const found = [seen("i-1", "ConnectionLost"), seen("i-2", "Online")];
    assert.equal(onlyOnline(byTag, found), "i-2");
  });

  it("is never a guess among two", () => {
    const { kind, message } = failure(() =>
      onlyOnline(byTag, [seen("i-1", "Online"), seen("i-2", "Online")]),
    );
    assert.equal(kind, "refused");
    assert.match(message, /2 instances are online \(i-1, i-2\).*`tag`/);
  });

  it("is offline since its last sign of life", () => {
    const lost = [seen("i-1", "ConnectionLost", 3), seen("i-2", "ConnectionLost", 5)];
    const { kind, message } = failure(() => onlyOnline(byTag, lost));
    assert.equal(kind, "unreachable");
    assert.match(message, /offline \(ConnectionLost\) since 2026-01-05/);
  });
});

describe("the pauses between looks at a command", () => {
  it("are short at first, then two seconds and more, and never the same for everybody", () => {
    assert.ok(pauseMilliseconds(0, 0) <= 300);
    assert.ok(pauseMilliseconds(9, 0) >= 2000);
    assert.notEqual(pauseMilliseconds(9, 0.1), pauseMilliseconds(9, 0.9));
    const first = [0, 1, 2, 3, 4].reduce((sum, poll) => sum + pauseMilliseconds(poll, 1), 0);
    assert.ok(first < 6000);
  });
});
