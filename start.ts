// What Pulumi runs. The program is index.ts: while Node loads it, the provider starts and looks at the host.
import "./components/stack-traces.ts"; // first, because what follows makes promises
import { lookAhead } from "./components/look-ahead.ts";
import { isCloudStack } from "./components/stack-kind.ts";

lookAhead();

/** The outputs of the stack. One without a host is the cloud around hosts: cloud.ts. */
export default async () => ({
  ...(await (isCloudStack() ? import("./cloud.ts") : import("./index.ts"))),
});
