// What Pulumi runs. The program is index.ts, fleet.ts or cloud.ts.
import "./components/lean-sdk.ts"; // first, because what follows makes promises
import "./contract/interpreted.ts";
import { stackKind } from "./components/stack-kind.ts";

const PROGRAMS = {
  host: () => import("./index.ts"),
  fleet: () => import("./fleet.ts"),
  cloud: () => import("./cloud.ts"),
};

/** The outputs of the stack. */
export default async () => {
  const outputs = await PROGRAMS[stackKind()]();
  // Of what the stack does not have, Pulumi would warn.
  return Object.fromEntries(Object.entries(outputs).filter(([, value]) => value !== undefined));
};
