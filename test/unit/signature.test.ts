import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { releaseId, signedText } from "../../contract/release-id.ts";
import { flatten } from "../../providers/executors/argument.ts";
import { remoteCommand } from "../../providers/executors/remote-command.ts";
import { scriptOf } from "../../providers/executors/script.ts";
import { verifySignature } from "../../providers/nixos/verify-signature.ts";
import { failureOf } from "../support/jobs.ts";
import { MANIFEST } from "../support/samples.ts";

// Signed by the builder's script, verified by ours; ssh-keygen is the real one on both sides.
describe("the signature of a manifest", () => {
  const text = signedText({ ...MANIFEST, subject: `größe "q" 'q' $(id) \\n 🦊` });
  let directory: string;
  let signature: string;
  let allowedSigners: string;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), "nixos-promote-test-"));
    for (const [name, passphrase] of [
      ["release", ""],
      ["other", ""],
      ["locked", "secret"],
    ] as const)
      execFileSync("ssh-keygen", [
        ...["-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", join(directory, name)],
      ]);
    allowedSigners = allow("signers", "release@example.com,backup@example.com", "release");
    signature = String(sign("release").signature);
  });
  after(() => rmSync(directory, { recursive: true }));

  /** What the builder answers. */
  function sign(key: string, what = text): { signature?: string; error?: Record<string, string> } {
    const script = scriptOf("sign");
    const [shell, ...args] = remoteCommand(script);
    const said = execFileSync(shell, args, {
      input: `${script}${flatten({ keyFile: join(directory, key), text: what })}`,
      encoding: "utf8",
      stdio: ["pipe", "pipe", "ignore"],
    });
    return JSON.parse(said) as ReturnType<typeof sign>;
  }

  function allow(file: string, principals: string, key: string, options = ""): string {
    const [type, body] = readFileSync(join(directory, `${key}.pub`), "utf8").split(" ");
    writeFileSync(join(directory, file), `${principals} ${options}${type} ${body}\n`);
    return join(directory, file);
  }

  const verify = (more: object = {}) =>
    verifySignature.call({ text, signature, allowedSigners, ...more });

  it("is made without a question, and accepted with the name of who has signed", async () => {
    assert.match(
      signature,
      /^-----BEGIN SSH SIGNATURE-----\n[\s\S]*-----END SSH SIGNATURE-----\n$/,
    );
    assert.deepEqual(await verify(), { signer: "release@example.com" });
  });

  it("leaves no file behind", async () => {
    const given = process.env["TMPDIR"];
    const scratch = mkdtempSync(join(directory, "scratch-"));
    process.env["TMPDIR"] = scratch;
    try {
      await verify();
      await failureOf(verify({ signature: "none" }));
    } finally {
      if (given === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = given;
    }
    assert.deepEqual(readdirSync(scratch), []);
  });

  const refused: [string, () => object, RegExp][] = [
    [
      "a manifest that was changed, also with its id",
      () => {
        const changed = { ...MANIFEST, builtAt: 1 };
        return { text: signedText({ ...changed, id: releaseId(changed) }) };
      },
      /^The signature is not one of release@example\.com for this release \(ssh-keygen: .*incorrect signature/,
    ],
    [
      "a key that is not allowed",
      () => ({ signature: sign("other").signature }),
      /^The signature is by none of the allowed signers \(ssh-keygen: No principal matched/,
    ],
    [
      "a key that is allowed for something else only",
      () => ({
        allowedSigners: allow("git", "release@example.com", "release", 'namespaces="git" '),
      }),
      /^The signature is not one of release@example\.com for this release/,
    ],
    [
      "a key whose time is over",
      () => ({
        allowedSigners: allow("old", "release@example.com", "release", 'valid-before="20200101" '),
      }),
      /^The signature is (not one of|by none of)/,
    ],
    [
      "a signature for something else",
      () => {
        const file = join(directory, "text");
        writeFileSync(file, text);
        execFileSync(
          "ssh-keygen",
          ["-q", "-Y", "sign", "-n", "git", "-f", join(directory, "release"), file],
          { stdio: "ignore" },
        );
        return { signature: readFileSync(`${file}.sig`, "utf8") };
      },
      /^The signature is not one of release@example\.com for this release/,
    ],
    ["what is no signature", () => ({ signature: "-oX" }), /^The signature is by none of/],
    ["no allowed signer at all", () => ({ allowedSigners: "/dev/null" }), /by none of the allowed/],
  ];
  for (const [what, more, message] of refused)
    it(`is refused for ${what}`, async () =>
      assert.match((await failureOf(verify(more()))).message, message));

  it("says that ssh-keygen is not there, where it is not", async () => {
    const path = process.env["PATH"];
    process.env["PATH"] = directory;
    try {
      const { message } = await failureOf(verify());
      assert.match(
        message,
        /^ssh-keygen, which checks signatures on this machine, cannot be run: /,
      );
    } finally {
      process.env["PATH"] = path;
    }
  });

  for (const [what, key] of [
    ["a key with a passphrase", "locked"],
    ["a key that is not there", "none"],
    ["a file that is no key", "signers"],
  ] as const)
    it(`is not made with ${what}`, () => {
      const { error } = sign(key);
      assert.equal(error?.["code"], "manifest-signing-failed");
      assert.match(error?.["hint"] ?? "", /\[release\.manifestKeyFile\].*without a passphrase/);
    });
});
