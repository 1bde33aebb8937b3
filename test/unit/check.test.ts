import assert from "node:assert/strict";
import * as rpc from "@pulumi/pulumi/runtime/rpc.js";
import { buildInputs, closureInputs, systemProfileInputs } from "../../contract/resources.ts";
import { checkInputs, pathText } from "../../providers/nixos/check.ts";
import { EVALUATION, GRIND, PROD, SYSTEM_B, systemInputs } from "../support/samples.ts";

const UNKNOWN = rpc.unknownValue;
const secret = (value: unknown) => ({ [rpc.specialSigKey]: rpc.specialSecretSig, value });

const closureOf = (more: object) => ({
  connection: PROD,
  path: SYSTEM_B,
  transport: { via: "direct", builder: GRIND, to: "choiros-prod" },
  timeoutSeconds: 60,
  ...more,
});
const failuresOf = (more: object) => checkInputs(closureInputs, closureOf(more));
const propertiesOf = (more: object) => failuresOf(more).map(({ property }) => property);

describe("the provider's check", () => {
  it("finds nothing wrong with what the program sends", () => {
    assert.deepEqual(failuresOf({}), []);
    assert.deepEqual(checkInputs(systemProfileInputs, systemInputs()), []);
    assert.deepEqual(
      checkInputs(buildInputs, { connection: GRIND, ...EVALUATION, timeoutSeconds: 60 }),
      [],
    );
  });

  const table: [string, object, string[]][] = [
    ["something that is no store path", { path: "/tmp/x" }, ["path"]],
    ["a missing property", { path: undefined }, ["path"]],
    ["a wrong type deep inside", { connection: { ...PROD, port: "22" } }, ["connection.port"]],
    ["an unknown property", { colour: "red" }, ["colour"]],
    [
      "an unknown property deep inside",
      { transport: { via: "built-here", speed: 1 } },
      ["transport.speed"],
    ],
    ["an unknown kind", { transport: { via: "fax" } }, ["transport.via"]],
    ["several mistakes", { path: 1, timeoutSeconds: 0 }, ["path", "timeoutSeconds"]],
  ];
  for (const [what, more, properties] of table) {
    it(`names the property of ${what}`, () => assert.deepEqual(propertiesOf(more), properties));
  }

  it("names an item of a list as Pulumi writes paths", () => {
    const probes = [
      { name: "a", kind: "socket", port: 80 },
      { name: "b", kind: "http", url: "x" },
    ];
    const failures = checkInputs(systemProfileInputs, { ...systemInputs(), probes });
    assert.deepEqual(failures, [
      { property: "probes[1].url", reason: "must be an http or https URL" },
    ]);
    assert.equal(pathText(["probes", 1, "url"]), "probes[1].url");
    assert.equal(pathText([]), "");
  });

  it("says what is wrong with the name of a host, and which it is", () => {
    const hosts = { "../x": Object.values(EVALUATION.hosts)[0] };
    const failures = checkInputs(buildInputs, {
      connection: GRIND,
      ...EVALUATION,
      hosts,
      timeoutSeconds: 60,
    });
    assert.deepEqual(failures, [{ property: "hosts.../x", reason: "must be a plain name" }]);
  });

  it("takes what a preview does not know yet for right", () => {
    assert.deepEqual(failuresOf({ path: UNKNOWN }), []);
    assert.deepEqual(failuresOf({ connection: UNKNOWN }), []);
    assert.deepEqual(failuresOf({ connection: { ...PROD, host: UNKNOWN } }), []);
    assert.deepEqual(failuresOf({ connection: { ...PROD, kind: UNKNOWN } }), []);
    assert.deepEqual(
      checkInputs(systemProfileInputs, { ...systemInputs(), probes: [UNKNOWN] }),
      [],
    );
    assert.deepEqual(checkInputs(systemProfileInputs, { ...systemInputs(), probes: UNKNOWN }), []);
    assert.deepEqual(checkInputs(buildInputs, UNKNOWN), []);
  });

  it("finds what is wrong beside what is not known yet", () => {
    assert.deepEqual(propertiesOf({ path: UNKNOWN, timeoutSeconds: 0 }), ["timeoutSeconds"]);
  });

  it("finds an unknown property also when its value is not known yet", () => {
    assert.deepEqual(propertiesOf({ colour: UNKNOWN }), ["colour"]);
  });

  it("refuses a secret wherever it is, and does not repeat it", () => {
    const canary = "canary-9b1c";
    const probes = [{ name: "a", kind: "command", argv: ["login", secret(canary)] }];
    const failures = checkInputs(systemProfileInputs, { ...systemInputs(), probes });
    assert.deepEqual(
      failures.map(({ property }) => property),
      ["probes[0].argv[1]"],
    );
    assert.match(failures[0]?.reason ?? "", /must not be a secret/);
    assert.doesNotMatch(JSON.stringify(failures), new RegExp(canary));
    assert.deepEqual(propertiesOf({ path: secret(SYSTEM_B) }), ["path"]);
  });
});
