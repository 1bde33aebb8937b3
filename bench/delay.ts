// A TCP proxy that delays and does not throttle: a network of some length, without loss and without TCP's own windows.
import { connect, createServer, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

export interface Route {
  /** Where it listens; port 0 takes any. */
  readonly listen: { readonly host: string };
  readonly to: { readonly host: string; readonly port: number };
  /** Milliseconds there and back. */
  readonly roundTrip: number;
}

/** Runs in a thread of its own until it is closed. */
export async function delayed(route: Route): Promise<{ port: number; close(): Promise<unknown> }> {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: route });
  const port = await new Promise<number>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  return { port, close: () => worker.terminate() };
}

/** What is under way; a sender that is faster than this much in one trip waits. */
const MOST_BYTES = 256 * 1048576;

function serve({ listen, to, roundTrip }: Route): void {
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ ...to, noDelay: true });
    // The caller's own handshake with us took no time.
    pass(near, far, roundTrip / 2, roundTrip);
    pass(far, near, roundTrip / 2, roundTrip);
  });
  server.listen(0, listen.host, () => {
    const address = server.address();
    parentPort?.postMessage(typeof address === "object" ? address?.port : undefined);
  });
}

/** Every chunk `trip` milliseconds after it came, the first ones after the handshake. */
function pass(from: Socket, to: Socket, trip: number, handshake: number): void {
  const queue: { readonly due: number; readonly chunk: Buffer | undefined }[] = [];
  const open = performance.now() + handshake;
  let bytes = 0;
  let waiting = false;
  const send = () => {
    waiting = false;
    const now = performance.now();
    for (let next = queue[0]; next !== undefined; next = queue[0]) {
      if (next.due > now) {
        wait(next.due - now);
        return;
      }
      queue.shift();
      if (next.chunk === undefined) to.end();
      else {
        bytes -= next.chunk.length;
        to.write(next.chunk);
      }
    }
    if (from.isPaused()) from.resume();
  };
  const wait = (milliseconds: number) => {
    waiting = true;
    setTimeout(send, milliseconds);
  };
  const add = (chunk: Buffer | undefined) => {
    queue.push({ due: Math.max(open, performance.now()) + trip, chunk });
    if (!waiting) wait(trip);
  };
  from.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes + to.writableLength > MOST_BYTES) from.pause();
    add(chunk);
  });
  from.on("end", () => add(undefined));
  from.on("error", () => to.destroy());
  from.on("close", () => {
    if (from.errored) to.destroy();
  });
}

if (!isMainThread) serve(workerData as Route);
