// moto, which is not ours: another program that speaks AWS's protocols and keeps its rules.
import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import type { Context } from "mocha";
import { cached } from "../../lab/cache.ts";
import { run } from "../../lab/process.ts";
import { skip } from "../run/skip.ts";

const VERSION = "5.2.5";
const READY_SECONDS = 60;

/** Where Python finds it, in a cache of this machine. */
export async function motoPackages(context: Context): Promise<string> {
  try {
    return await cached("moto", `${VERSION}-server`, install, () => {});
  } catch (error) {
    const [why] = (error as Error).message.split("\n");
    return skip(context, `moto ${VERSION} cannot be installed here: ${why}`);
  }
}

async function install(directory: string): Promise<void> {
  const pip = ["python3", "-m", "pip", "install", "--quiet", "--target", directory];
  const packages = [`moto[iam]==${VERSION}`, "flask", "flask-cors"];
  const ran = await run([...pip, ...packages], { timeout: 200_000 });
  if (ran.code !== 0) throw new Error(ran.stderr.trim().split("\n").at(-1));
}

/** An AWS of a test's own: Route 53 and EC2 over HTTP, on this machine. */
export class Moto {
  readonly url: string;
  readonly #process: ChildProcess;

  private constructor(url: string, process_: ChildProcess) {
    [this.url, this.#process] = [url, process_];
  }

  static async start(context: Context): Promise<Moto> {
    const packages = await motoPackages(context);
    const port = await freePort();
    const argv = ["-m", "moto.server", "-H", "127.0.0.1", "-p", String(port)];
    const env = { ...process.env, PYTHONPATH: packages };
    const moto = new Moto(
      `http://127.0.0.1:${port}`,
      spawn("python3", argv, { env, stdio: "ignore" }),
    );
    await moto.#ready();
    return moto;
  }

  async #ready(): Promise<void> {
    const until = Date.now() + READY_SECONDS * 1000;
    while (Date.now() < until) {
      const answer = await fetch(`${this.url}/moto-api/data.json`).catch(() => undefined);
      await answer?.body?.cancel();
      if (answer?.ok) return;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error("moto does not answer");
  }

  /** Keeps it from answering, without closing a connection; and lets it again. */
  hold(held: boolean): void {
    this.#process.kill(held ? "SIGSTOP" : "SIGCONT");
  }

  stop(): void {
    this.#process.kill("SIGKILL");
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" ? (address?.port ?? 0) : 0;
      server.close(() => resolve(port));
    });
  });
}
