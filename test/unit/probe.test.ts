import assert from "node:assert/strict";
import fc from "fast-check";
import { completeProbe, type Probe, probe } from "../../contract/probe.ts";
import { anyText } from "../support/hostile.ts";

const common = {
  required: true,
  place: [],
  graceSeconds: 0,
  intervalSeconds: 1,
  deadlineSeconds: 120,
  soakSeconds: 0,
};

describe("probes", () => {
  const defaults: [Probe, object][] = [
    [
      { name: "a", kind: "http", url: "http://127.0.0.1/" },
      { status: [200], followRedirects: false, timeoutSeconds: 5 },
    ],
    [
      { name: "b", kind: "unit", unit: "a.service" },
      { state: "active", identity: true },
    ],
    [{ name: "c", kind: "socket", port: 80 }, {}],
    [{ name: "d", kind: "command", argv: ["true"] }, { timeoutSeconds: 10 }],
  ];
  for (const [given, own] of defaults) {
    it(`a ${given.kind} probe gets the defaults that its fields promise`, () => {
      assert.deepEqual(completeProbe(given), { ...common, ...own, ...given });
    });
  }

  it("what is given wins over every default", () => {
    const given: Probe = {
      name: "a",
      kind: "http",
      url: "https://example.com/",
      status: [204, 404],
      followRedirects: true,
      namespace: { unit: "container@a.service" },
      onlyIfActive: "container@a.service",
      timeoutSeconds: 0.5,
      required: false,
      place: ["nixos-container", "run", "sandbox-live", "--"],
      graceSeconds: 1,
      intervalSeconds: 2,
      deadlineSeconds: 3,
      soakSeconds: 4,
    };
    assert.deepEqual(completeProbe(given), given);
  });

  const refused: [string, object, string][] = [
    ["another scheme", { kind: "http", url: "file:///etc/shadow" }, "url"],
    ["a URL with a space", { kind: "http", url: "http://a b" }, "url"],
    ["a URL that is an option", { kind: "http", url: "-ofile" }, "url"],
    ["no status at all", { kind: "http", url: "http://a/", status: [] }, "status"],
    ["a status that HTTP has not", { kind: "http", url: "http://a/", status: [99] }, "status.0"],
    ["a unit without suffix", { kind: "unit", unit: "hypervisor" }, "unit"],
    ["a unit pattern", { kind: "unit", unit: "*.service" }, "unit"],
    ["a unit that is an option", { kind: "unit", unit: "--all.service" }, "unit"],
    ["a unit in another directory", { kind: "unit", unit: "../a.service" }, "unit"],
    ["a namespace of nothing", { kind: "socket", port: 1, namespace: {} }, "namespace"],
    [
      "a namespace of two",
      { kind: "socket", port: 1, namespace: { unit: "a.service", path: "/run/netns/a" } },
      "namespace",
    ],
    [
      "a namespace by a relative path",
      { kind: "socket", port: 1, namespace: { path: "blue" } },
      "namespace.path",
    ],
    [
      "a namespace of a unit pattern",
      { kind: "http", url: "http://a/", namespace: { unit: "*.service" } },
      "namespace.unit",
    ],
    ["an address that is a name", { kind: "socket", port: 1, address: "localhost" }, "address"],
    [
      "redirects that are neither followed nor not",
      { kind: "http", url: "http://a/", followRedirects: "yes" },
      "followRedirects",
    ],
    [
      "a condition that is no unit",
      { kind: "socket", port: 1, onlyIfActive: "vm" },
      "onlyIfActive",
    ],
    ["port 0", { kind: "socket", port: 0 }, "port"],
    ["an empty command", { kind: "command", argv: [] }, "argv"],
    ["a NUL in a command", { kind: "command", argv: ["a\0b"] }, "argv.0"],
    ["a time before now", { kind: "socket", port: 1, deadlineSeconds: -1 }, "deadlineSeconds"],
    [
      "endless time",
      { kind: "socket", port: 1, soakSeconds: Number.POSITIVE_INFINITY },
      "soakSeconds",
    ],
  ];
  for (const [what, fields, field] of refused) {
    it(`${what} is refused at [${field}]`, () => {
      const parsed = probe.safeParse({ name: "a", ...fields });
      assert.equal(parsed.error?.issues[0]?.path.join("."), field);
    });
  }

  it("a field of another kind of probe is unknown here", () => {
    const parsed = probe.safeParse({ name: "a", kind: "socket", port: 1, url: "http://a/" });
    assert.equal(parsed.error?.issues[0]?.code, "unrecognized_keys");
  });

  it("a name is short and plain whatever it is made of", () => {
    fc.assert(
      fc.property(anyText, (name) => {
        const taken = probe.safeParse({ name, kind: "socket", port: 1 }).success;
        assert.equal(
          taken,
          /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/.test(name) && !name.endsWith("\n"),
        );
      }),
    );
  });

  it("hostile text in a command stays one word of it", () => {
    fc.assert(
      fc.property(anyText, (word) => {
        const parsed = probe.safeParse({ name: "a", kind: "command", argv: ["/bin/echo", word] });
        if (word === "" || word.includes("\0")) assert.equal(parsed.success, false);
        else
          assert.deepEqual(parsed.data, { name: "a", kind: "command", argv: ["/bin/echo", word] });
      }),
    );
  });
});
