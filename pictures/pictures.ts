/** npm run pictures: what the documents show, from real runs on lab hosts. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { World } from "../test/e2e/world.ts";
import { Browser } from "../test/report/browser.ts";
import { ESCAPE, pictureOf } from "./terminal.ts";

const TARGET = join(import.meta.dirname, "../docs/pictures");

/** A line that the next one has taken the place of. */
const ERASED = new RegExp(`[^\\n]*\\r${ESCAPE}\\[2K`, "gu");

process.env.TEST_LAB ??= "pictures";
mkdirSync(TARGET, { recursive: true });
const world = await World.open();
try {
  await tell();
} finally {
  await world.close();
}

/** Release b after a, and one that is refused: what an operator sees of each. */
async function tell(): Promise<void> {
  await world.up("grind");
  await world.up("prod");
  await world.push("b");
  await world.up("grind");
  const plan = join(world.project.directory, "plan.json");
  await terminal("plan", ["plan", "-o", plan], 100);
  for (const [name, columns] of [
    ["plan-80", 80],
    ["plan-200", 200],
  ] as const)
    await terminal(name, ["plan", plan], columns);
  await log("plan-log", ["plan", plan]);
  await must(["--plan", plan, "--yes"]);
  await terminal("status", ["status"], 100);
  await page("report", ["report"], ["dark"]);
  await world.push("c-prod");
  await world.up("grind");
  await world.failingUp("prod");
  await terminal("report-failed", ["report", "--stack", "prod"], 100);
  await page("report-failed", ["report", "--stack", "prod"], ["light", "phone"]);
}

async function must(args: readonly string[]): Promise<string> {
  const { code, output, stdout } = await world.project.promote(args);
  if (code !== 0) throw new Error(`promote ${args.join(" ")} ended with ${code}:\n${output}`);
  return stdout;
}

/** In a terminal of so many columns, in colour. */
async function terminal(name: string, args: readonly string[], columns: number): Promise<void> {
  const { code, output } = await world.project.promote(args, {
    answers: [],
    columns,
    env: { TERM: "xterm" },
  });
  if (code !== 0) throw new Error(`promote ${args.join(" ")} ended with ${code}:\n${output}`);
  save(`${name}.svg`, args, output.replace(ERASED, ""), columns);
}

/** As the log of a pipeline has it: no terminal, no colour. */
async function log(name: string, args: readonly string[]): Promise<void> {
  const said = await must(args);
  save(`${name}.svg`, args, said, Math.max(...said.split("\n").map(({ length }) => length)));
}

function save(file: string, args: readonly string[], said: string, columns: number): void {
  const typed = `$ promote ${args.map((arg) => arg.replace(/^.*\//, "")).join(" ")}`;
  writeFileSync(join(TARGET, file), pictureOf(`${typed}\n${said}`, columns, typed));
  console.log(`docs/pictures/${file}`);
}

const LOOKS = {
  light: { width: 1000, height: 1100 },
  dark: { width: 1000, height: 1100, scheme: "dark" },
  phone: { width: 360, height: 1100 },
} as const;

async function page(
  name: string,
  args: readonly string[],
  looks: readonly (keyof typeof LOOKS)[],
): Promise<void> {
  const file = join(world.project.directory, `${name}.html`);
  await must([...args, "--html", file]);
  const browser = new Browser();
  for (const look of looks) {
    const { page: opened } = await browser.open(file, LOOKS[look]);
    await opened.screenshot({ path: join(TARGET, `${name}-${look}.png`) });
    console.log(`docs/pictures/${name}-${look}.png`);
  }
  await browser.close();
}
