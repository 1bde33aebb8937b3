import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";
import { type BrowserContext, chromium, type Page } from "playwright-core";

/** As setup finds it. */
const PROGRAMS = ["chromium-headless-shell", "chromium", "google-chrome"];
const FLAGS = [
  ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
];

export interface Looking {
  readonly width?: number;
  readonly height?: number;
  readonly scheme?: "light" | "dark";
}

/** A browser as new, which is gone with all that it has kept when it is closed. */
export class Browser {
  private readonly profile = mkdtempSync(join(tmpdir(), "report-browser-"));
  private context: BrowserContext | undefined;

  /** A page of a file, with every request that it makes beside the file itself. */
  async open(
    file: string,
    { width = 1100, height = 900, scheme = "light" }: Looking = {},
  ): Promise<{ page: Page; requests: string[]; complaints: string[] }> {
    await this.context?.close();
    this.context = await chromium.launchPersistentContext(this.profile, {
      executablePath: programPath(),
      args: FLAGS,
      viewport: { width, height },
      colorScheme: scheme,
    });
    const page = await this.context.newPage();
    const address = pathToFileURL(file).href;
    const requests: string[] = [];
    const complaints: string[] = [];
    page.on("request", (request) => {
      if (request.url() !== address) requests.push(request.url());
    });
    page.on("console", (message) => void complaints.push(message.text()));
    page.on("pageerror", (error) => void complaints.push(error.message));
    await page.goto(address);
    return { page, requests, complaints };
  }

  async close(): Promise<void> {
    await this.context?.close();
    rmSync(this.profile, { recursive: true, force: true });
  }
}

function programPath(): string {
  const directories = (process.env.PATH ?? "").split(delimiter);
  const found = PROGRAMS.flatMap((name) => directories.map((directory) => join(directory, name)));
  const program = found.find((path) => existsSync(path));
  if (program === undefined)
    throw new Error("There is no Chromium. Run: npm run setup -- --for report");
  return program;
}
