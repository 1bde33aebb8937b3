import { flushCompileCache } from "node:module";
import type { Provider } from "@pulumi/pulumi/provider/provider.js";
import { main } from "@pulumi/pulumi/provider/server.js";

// Of the two processes that the engine starts for each operation, one is only asked for its
// version. So everything else is loaded at the first question.
let loading: Promise<typeof import("./service.ts")> | undefined;

async function service() {
  loading ??= import("./service.ts");
  return (await loading).service;
}

const provider: Provider = {
  version: "0.1.0",
  check: async (...call) => (await service()).check(...call),
  diff: async (...call) => (await service()).diff(...call),
  create: async (...call) => (await service()).create(...call),
  read: async (...call) => (await service()).read(...call),
  update: async (...call) => (await service()).update(...call),
  delete: async (...call) => (await service()).delete(...call),
  invoke: async (...call) => (await service()).invoke(...call),

  // The engine also says this before it ends us, which it does without letting us exit.
  async cancel() {
    if (loading !== undefined) await (await service()).cancel();
    flushCompileCache?.();
  },
};

process.on("SIGTERM", () => process.exit(0));
await main(provider, process.argv.slice(2));
