import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type VerifySignatureInputs, verifySignatureInputs } from "../../contract/resources.ts";
import { Failure } from "../errors.ts";
import { type Ended, runProcess } from "../executors/process.ts";
import type { Invocation } from "./resource.ts";

const NAMESPACE = "nixos-promote-release";

/** Who has signed a manifest, by this machine's ssh-keygen; an error if nobody whom we allow. */
export const verifySignature: Invocation<VerifySignatureInputs> = {
  inputs: verifySignatureInputs,
  async call({ text, signature, allowedSigners }): Promise<{ signer: string }> {
    const directory = await mkdtemp(join(tmpdir(), "nixos-promote-"));
    try {
      const file = join(directory, "signature");
      await writeFile(file, signature, { mode: 0o600 });
      const args = ["-f", allowedSigners, "-s", file];
      const found = await keygen(["find-principals", ...args], "");
      const [signer = ""] = found.stdout.split("\n");
      if (found.code !== 0 || signer === "")
        throw refused("is by none of the allowed signers", found);
      const verified = await keygen(["verify", "-n", NAMESPACE, "-I", signer, ...args], text);
      if (verified.code !== 0) throw refused(`is not one of ${signer} for this release`, verified);
      return { signer };
    } finally {
      await rm(directory, { recursive: true });
    }
  },
};

async function keygen([action = "", ...args]: string[], input: string): Promise<Ended> {
  const ended = await runProcess(["ssh-keygen", "-Y", action, ...args], input, 20);
  if (ended.code !== null) return ended;
  const why = ended.timedOut ? "did not end in time" : `cannot be run: ${ended.stderr}`;
  throw new Failure("refused", `ssh-keygen, which checks signatures on this machine, ${why}.`);
}

function refused(what: string, { stderr }: Ended): Failure {
  const said = stderr.trim().replaceAll("\n", "; ");
  return new Failure("refused", `The signature ${what} (ssh-keygen: ${said.slice(0, 300)}).`);
}
