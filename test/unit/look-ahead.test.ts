import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import resource from "@pulumi/pulumi/proto/resource_pb.js";
import fc from "fast-check";
import { callEarly, invokeRequest } from "../../components/early-call.ts";
import { lookAhead } from "../../components/look-ahead.ts";
import { getHostInputs } from "../../contract/resources.ts";
import { PROD } from "../support/samples.ts";
import { configOf } from "../support/stack-config.ts";

const ARGV = ["node", "run", "--monitor", "127.0.0.1:4000", "--project", "choiros", "start.ts"];
type Call = Parameters<typeof callEarly>;

/** What is asked, of whom, for a program that is started so. */
async function asked(config: Record<string, unknown> | string, argv = ARGV): Promise<Call[]> {
  const calls: Call[] = [];
  const text = typeof config === "string" ? config : JSON.stringify(config);
  await lookAhead(argv, text, async (...call) => void calls.push(call));
  return calls;
}

function asPulumiPasses(separator: string): Record<string, string> {
  const entries = Object.entries(configOf("prod"));
  return Object.fromEntries(
    entries.map(([key, value]) => [key.replace(":", separator), JSON.stringify(value)]),
  );
}

describe("the look ahead, before the program is loaded", () => {
  it("is what Pulumi.yaml has Node load first", () => {
    const project = readFileSync(new URL("../../Pulumi.yaml", import.meta.url), "utf8");
    assert.match(project, /^ {4}nodeargs: .*--import \.\/components\/look-ahead\.ts$/m);
  });

  for (const separator of [":config:", ":"])
    it(`asks for all that the contract of the host is about, of a setting choiros${separator}host`, async () => {
      const [call, ...more] = await asked(asPulumiPasses(separator));
      assert.deepEqual(more, []);
      const [monitor, token, args] = call ?? [];
      assert.deepEqual([monitor, token], ["127.0.0.1:4000", "nixos:index:getHost"]);
      assert.deepEqual(getHostInputs.parse(args), {
        connection: PROD,
        units: [
          "hypervisor.service",
          "container@sandbox-live.service",
          "container@sandbox-dev.service",
          "caddy.service",
        ],
      });
    });

  for (const [what, config] of [
    ["a setting is missing", {}],
    ["the configuration is no JSON", "{"],
    ["a setting is no JSON", { "choiros:config:host": "{", "choiros:config:health": "[]" }],
    ["a setting is something else", { "choiros:config:host": "1", "choiros:config:health": "{}" }],
  ] as const)
    it(`leaves it to others to say that ${what}`, async () => {
      assert.deepEqual(await asked(config), []);
    });

  it("is not taken by a Node that runs no program of Pulumi's", async () => {
    assert.deepEqual(await asked(asPulumiPasses(":"), ["node", "-e", "1"]), []);
    await lookAhead(ARGV, undefined, () => assert.fail("it asked"));
  });
});

describe("a call of a provider's function without Pulumi's SDK", () => {
  it("is written as the SDK reads it, whatever it asks", () => {
    // The SDK's own maps lose a key that is called __proto__, however deep.
    const json = fc
      .dictionary(
        fc.string({ unit: "grapheme" }),
        fc.jsonValue({ noUnicodeString: false, maxDepth: 3 }),
      )
      .filter((args) => !JSON.stringify(args).includes('"__proto__":'));
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), json, (token, args) => {
        const plain = JSON.parse(JSON.stringify(args));
        const read = resource.ResourceInvokeRequest.deserializeBinary(invokeRequest(token, plain));
        assert.equal(read.getTok(), token);
        assert.deepEqual(read.getArgs()?.toJavaScript() ?? {}, plain);
      }),
      { numRuns: 40 },
    );
  });

  it("is on its way before anything else is done, and nobody waits for the answer", async () => {
    const server = createServer();
    let tell: (arrived: { path: unknown; message: Buffer }) => void = () => {};
    const arrived = new Promise<{ path: unknown; message: Buffer }>((resolve) => {
      tell = resolve;
    });
    let engine: ServerHttp2Session | undefined;
    server.on("session", (session) => {
      engine = session;
    });
    server.on("stream", (stream, headers) => {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("error", () => {});
      // It is never answered.
      stream.on("end", () => tell({ path: headers[":path"], message: Buffer.concat(chunks) }));
    });
    await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
    const { port } = server.address() as AddressInfo;
    await callEarly(`127.0.0.1:${port}`, "nixos:index:getHost", { units: ["a.service"] });
    const { path, message } = await arrived;
    assert.equal(path, "/pulumirpc.ResourceMonitor/Invoke");
    assert.equal(message.readUInt8(0), 0);
    assert.equal(message.readUInt32BE(1), message.length - 5);
    const request = resource.ResourceInvokeRequest.deserializeBinary(message.subarray(5));
    assert.deepEqual(request.getArgs()?.toJavaScript(), { units: ["a.service"] });
    engine?.destroy();
    server.close();
  });

  it("ends by itself where nobody listens", async () => {
    await callEarly("127.0.0.1:1", "nixos:index:getHost", {});
  });
});
