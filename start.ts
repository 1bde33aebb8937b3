// What Pulumi runs. The program is index.ts.
import "./components/stack-traces.ts"; // first, because what follows makes promises
import "./contract/interpreted.ts";
import { isCloudStack } from "./components/stack-kind.ts";

/** The outputs of the stack. One without a host is the cloud around hosts: cloud.ts. */
export default async () => {
  const outputs = await (isCloudStack() ? import("./cloud.ts") : import("./index.ts"));
  // Of what the stack does not have, Pulumi would warn.
  return Object.fromEntries(Object.entries(outputs).filter(([, value]) => value !== undefined));
};
