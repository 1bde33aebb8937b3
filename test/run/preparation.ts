import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

export type Purpose = "lab" | "report";

const NEEDED: Readonly<Record<Purpose, string>> = {
  lab: "These tests run on lab hosts",
  report: "These tests look at a page in a browser",
};

/** Gets ready what a room needs: in silence if all is there, else with progress. */
export class Preparation {
  private readonly child: ChildProcess;
  private readonly purpose: Purpose;

  constructor(root: string, purpose: Purpose) {
    this.purpose = purpose;
    this.child = spawn("bash", ["setup/setup.sh", "--for", purpose, "--quiet"], {
      cwd: root,
      stdio: ["ignore", "inherit", "pipe"],
    });
  }

  /** What is missing, as a text, if the machine could not be made ready. */
  async missing(): Promise<string | undefined> {
    let said = "";
    this.child.stderr?.on("data", (data: Buffer) => {
      said += data.toString();
      process.stderr.write(data);
    });
    const status = await new Promise<number | null>((resolve) => {
      this.child.once("close", resolve);
      this.child.once("error", () => resolve(null));
    });
    if (status === 0) return undefined;
    return `${NEEDED[this.purpose]}, and this machine is not ready for them.\n${said}`;
  }

  interrupt(): void {
    this.child.kill("SIGTERM");
  }

  kill(): void {
    this.child.kill("SIGKILL");
  }
}

/** Takes down labs whose process is gone. Each room takes its own down; this is for one that was killed. */
export function removeAbandonedLabs(root: string): void {
  if (!existsSync(join(root, "lab/cli.ts"))) return;
  const down = ["lab/cli.ts", "down", "--abandoned", "--quiet"];
  const node = [process.execPath, "--disable-warning=ExperimentalWarning"];
  // In a session of its own, so that another Ctrl-C does not stop the cleaning half-way.
  spawnSync("setsid", ["--wait", ...node, ...down], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
}
