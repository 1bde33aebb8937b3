// What Pulumi runs. The program is index.ts: while Node loads it, the provider starts and looks at the host.
import "./components/stack-traces.ts"; // first, because what follows makes promises
import { lookAhead } from "./components/look-ahead.ts";

lookAhead();

/** The outputs of the stack. */
export default async () => ({ ...(await import("./index.ts")) });
