import { type Connection, describeConnection } from "../../contract/connection.ts";
import { Failure } from "../errors.ts";

const MEBIBYTE = 1048576;

/** Refuses a copy that would fill the disk of its host, before it starts. */
export function requireRoom(
  host: Connection,
  missing: { readonly bytes: number; readonly free: number },
  marginMiB: number,
): void {
  if (missing.free >= missing.bytes + roomKept(marginMiB)) return;
  throw new Failure(
    "refused",
    `[activation.preflight.diskMarginMiB] ${describeConnection(host)} has ${mebibytes(Math.floor, missing.free)} MiB free for its Nix store; ` +
      `the copy takes ${mebibytes(Math.ceil, missing.bytes)} MiB, and ${marginMiB} MiB must stay free. ` +
      "Nothing was copied, and the host runs what it ran. Free some space there (nix-collect-garbage), or lower the setting.",
  );
}

/** Bytes that must stay free. */
export function roomKept(marginMiB: number): number {
  return marginMiB * MEBIBYTE;
}

function mebibytes(round: (value: number) => number, bytes: number): number {
  return round(bytes / MEBIBYTE);
}
