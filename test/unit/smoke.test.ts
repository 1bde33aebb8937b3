import assert from "node:assert/strict";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemProfileInputs } from "../../contract/resources.ts";
import { type SmokeTest, smokeTests } from "../../contract/smoke.ts";
import { smoke } from "../../providers/nixos/smoke.ts";
import { systemInputs } from "../support/samples.ts";

const facts = { NIXOS_PROMOTE_REV: "9ace77e" };
const command = (name: string, ...argv: string[]): SmokeTest => ({ kind: "command", name, argv });

describe("smoke tests from the operator's machine", () => {
  describe("of kind http", () => {
    let server: Server;
    let url: string;
    let asked = 0;
    let answer: (request: IncomingMessage, response: ServerResponse) => void;

    beforeEach(async () => {
      asked = 0;
      server = createServer((request, response) => {
        asked += 1;
        answer(request, response);
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/login`;
    });
    afterEach(() => {
      server.closeAllConnections();
      server.close();
    });

    const page = (more: object = {}): SmokeTest => ({
      ...{ kind: "http", name: "public", url, deadlineSeconds: 1 },
      ...more,
    });

    it("pass on 200 and on a body that matches", async () => {
      answer = (_request, response) => response.end("<h1>Sign in</h1>");
      assert.equal(await smoke([page({ body: "sign\\s+in|Sign in" })], facts), undefined);
      assert.equal(asked, 1);
    });

    it("try again until the deadline", async () => {
      answer = (_request, response) => response.writeHead(asked === 1 ? 503 : 200).end();
      assert.equal(await smoke([page({ deadlineSeconds: 5 })], facts), undefined);
      assert.equal(asked, 2);
    });

    it("try each time over a new connection: an open one leads to whom the name led before", async () => {
      const ports = new Set<number | undefined>();
      answer = ({ socket }, response) => {
        ports.add(socket.remotePort);
        response.writeHead(asked < 3 ? 503 : 200).end();
      };
      assert.equal(await smoke([page({ deadlineSeconds: 5 })], facts), undefined);
      assert.equal(ports.size, 3);
    });

    const failed = "the smoke test public failed, seen from the operator's machine:";
    it("fail on another status, and say it", async () => {
      answer = (_request, response) => response.writeHead(503).end();
      assert.equal(await smoke([page()], facts), `${failed} 503.`);
    });

    it("fail on a redirect, which they do not follow, and say where to", async () => {
      answer = (request, response) =>
        request.url === "/login"
          ? response.writeHead(302, { location: "/other" }).end()
          : response.end();
      assert.equal(await smoke([page()], facts), `${failed} 302 to /other.`);
      assert.equal(await smoke([page({ status: [302] })], facts), undefined);
    });

    it("fail on another body, and show its beginning", async () => {
      answer = (_request, response) => response.end("maintenance\u0007");
      assert.equal(
        await smoke([page({ body: "^Welcome" })], facts),
        `${failed} 200, but the body does not match: maintenance.`,
      );
    });

    it("fail when nothing answers in time, and read no endless body", async () => {
      answer = () => {};
      assert.equal(await smoke([page()], facts), `${failed} no answer in time.`);
      answer = (_request, response) =>
        void setInterval(() => response.write("x".repeat(9999)), 1).unref();
      assert.equal(await smoke([page({ body: "x" })], facts), undefined);
    });

    it("fail when nobody listens", async () => {
      await new Promise((resolve) => server.close(resolve));
      assert.match((await smoke([page()], facts)) ?? "", /ECONNREFUSED/);
    });
  });

  describe("of kind command", () => {
    it("pass when it ends with 0, and know the facts of the release", async () => {
      const check = 'test "$NIXOS_PROMOTE_REV" = 9ace77e && test "$1" = "a b"';
      assert.equal(
        await smoke([command("facts", "sh", "-c", check, "x", "a b")], facts),
        undefined,
      );
    });

    it("run in their directory", async () => {
      const directory = realpathSync(mkdtempSync(join(tmpdir(), "smoke-")));
      const test = { ...command("where", "sh", "-c", "pwd >here; exit 1"), directory } as SmokeTest;
      await smoke([test], facts);
      const [check, wrong] = [directory, "/"].map((wanted) =>
        command("look", "sh", "-c", 'test "$(cat "$1/here")" = "$2"', "x", directory, wanted),
      );
      assert.equal(await smoke([check as SmokeTest], facts), undefined);
      assert.match((await smoke([wrong as SmokeTest], facts)) ?? "", /exit 1/);
      rmSync(directory, { recursive: true });
    });

    it("fail with the exit code and the end of what was said", async () => {
      const failing = command("browser", "sh", "-c", "echo 2 of 3 failed; exit 3");
      assert.equal(
        await smoke([failing], facts),
        "the smoke test browser failed, seen from the operator's machine: exit 3: 2 of 3 failed.",
      );
    });

    it("are ended at their deadline", async () => {
      const slow = { ...command("slow", "sleep", "60"), deadlineSeconds: 1 } as SmokeTest;
      assert.match((await smoke([slow], facts)) ?? "", /slow failed.* no end within 1 s\.$/);
    });

    it("fail where there is no such program", async () => {
      assert.match((await smoke([command("x", "/no/such/program")], facts)) ?? "", /ENOENT/);
    });
  });

  it("run side by side; the first of the list that failed is named", async () => {
    const since = Date.now();
    const tests = [command("a", "sleep", "0.7"), command("b", "sh", "-c", "sleep 0.7; exit 1")];
    assert.match((await smoke([...tests, command("c", "false")], facts)) ?? "", /test b failed/);
    assert.ok(Date.now() - since < 1300);
  });

  describe("must fit into the time that the host waits for our confirmation", () => {
    const tests = [{ ...command("browser", "true"), deadlineSeconds: 40 }];
    const mistakes = (more: object) => {
      const parsed = systemProfileInputs.safeParse({ ...systemInputs(), smoke: tests, ...more });
      return parsed.success
        ? []
        : parsed.error.issues.map(({ path, message }) => [path[0], message]);
    };
    const timeouts = { switch: 300, rollback: 300 };

    it("or are refused", () => {
      assert.deepEqual(mistakes({}), []);
      assert.deepEqual(mistakes({ timeouts: { ...timeouts, confirm: 55 } }), []);
      const [[path, message] = []] = mistakes({ timeouts: { ...timeouts, confirm: 54 } });
      assert.equal(path, "smoke");
      assert.match(String(message), /up to 40 s, and the host waits 54 s.* to 55 or more/);
    });

    for (const [what, more] of [
      ["that asks for none", { confirm: false }],
      ["of mode immediate", { mode: "immediate" }],
      ["of mode boot", { mode: "boot" }],
      ["of mode dry-activate", { mode: "dry-activate" }],
    ] as const)
      it(`and there is no such time in an activation ${what}`, () => {
        assert.match(String(mistakes(more)[0]?.[1]), /^needs \[activation\.confirm\]/);
      });
  });

  it("take no pattern that is none, no relative directory, and no name twice", () => {
    const accepts = (test: unknown) => smokeTests.safeParse(test).success;
    const url = "https://os.example.com";
    assert.ok(accepts([{ kind: "http", name: "a", url, body: "^ok$" }]));
    assert.ok(!accepts([{ kind: "http", name: "a", url, body: "(" }]));
    assert.ok(!accepts([{ kind: "command", name: "a", argv: ["x"], directory: "e2e" }]));
    assert.ok(!accepts([command("a", "x"), command("a", "y")]));
    assert.ok(!accepts([{ kind: "unit", name: "a", unit: "a.service" }]));
  });
});
