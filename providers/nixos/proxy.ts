import { type FrontInputs, type FrontState, frontState } from "../../contract/front.ts";
import { call } from "../executors/executor.ts";
import { reach } from "./route.ts";

type Proxy = Pick<FrontInputs, "connection" | "file" | "unit">;

const LOCK_AND_RELOAD_SECONDS = 120;

/** Where it sends traffic, and how many of its connections to a place are open. */
export function lookAt(
  { connection, file, unit }: Proxy,
  connectionsTo?: string,
): Promise<FrontState> {
  const proxy = reach(connection, "traffic.proxy");
  return call(proxy, "front", { file, unit, connectionsTo }, frontState, { endsWithUs: true });
}

/** `was`: where it has to send traffic now; otherwise somebody else has been there, and nothing is changed. */
export type Step =
  | {
      readonly step: "move";
      readonly was: string | null;
      readonly host: string;
      readonly to: string;
    }
  | { readonly step: "keep" | "back"; readonly was: string };

export function changeTo({ connection, file, unit }: Proxy, step: Step): Promise<FrontState> {
  const proxy = reach(connection, "traffic.proxy");
  const timeoutSeconds = LOCK_AND_RELOAD_SECONDS;
  return call(proxy, "move-front", { file, unit, ...step }, frontState, { timeoutSeconds });
}
