import { flushCompileCache } from "node:module";
import type { Provider } from "@pulumi/pulumi/provider/provider.js";
import { main } from "@pulumi/pulumi/provider/server.js";
import { allowImport } from "./import-request.ts";

// Loaded while the engine makes our acquaintance, so that it need not wait for it.
let loading: Promise<typeof import("./service.ts")> | undefined;

async function service() {
  loading ??= import("./service.ts");
  return (await loading).service;
}

let answering = 0;

async function answer<T>(
  question: (to: Awaited<ReturnType<typeof service>>) => Promise<T>,
): Promise<T> {
  answering += 1;
  try {
    return await question(await service());
  } finally {
    answering -= 1;
  }
}

// An engine that was killed cannot end us. What it began on a host is still followed to its end.
const engine = process.ppid;
setInterval(() => {
  if (process.ppid !== engine && answering === 0) process.exit(0);
}, 1000).unref();

const provider: Provider = {
  version: "0.1.0",
  check: (...call) => answer((service) => service.check(...call)),
  diff: (...call) => answer((service) => service.diff(...call)),
  create: (...call) => answer((service) => service.create(...call)),
  read: (...call) => answer((service) => service.read(...call)),
  update: (...call) => answer((service) => service.update(...call)),
  delete: (...call) => answer((service) => service.delete(...call)),
  invoke: (...call) => answer((service) => service.invoke(...call)),

  // The engine also says this before it ends us, which it does without letting us exit.
  async cancel() {
    if (loading !== undefined) await (await service()).cancel();
    flushCompileCache?.();
  },
};

allowImport();
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(0));
await main(provider, process.argv.slice(2));
service();
