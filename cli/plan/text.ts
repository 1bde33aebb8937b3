import type { PlanDocument } from "../../contract/plan.ts";
import type { Output, Style } from "../output.ts";
import { plain } from "../text.ts";

export type Paper = Pick<Output, "paint" | "wrap">;

const STYLES: Readonly<Record<string, Style>> = {
  stop: "red",
  restart: "yellow",
  reload: "yellow",
  start: "green",
  users: "yellow",
  reboot: "yellow",
  drift: "yellow",
  running: "yellow",
};
const LABEL = 12;

/** A plan in a terminal: what the preview shows, fitted into it, and by whom it can be named. */
export function planLines(document: PlanDocument, output: Paper): string[] {
  return [...textLines(document.text, output), aboutLine(document, output)];
}

/** What a preview shows of one host, or of hosts that are alike. */
export function textLines(given: string, output: Paper): string[] {
  const [title = "", ...rows] = given.split("\n");
  return [
    ...output.wrap(plain(title), { hanging: "  " }).map((line) => output.paint(line, "bold")),
    ...rows.flatMap((row) => rowLines(row, output)),
  ];
}

/** By what a plan can be named, and what Pulumi will do. */
export function aboutLine(
  { id, resources }: Pick<PlanDocument, "id" | "resources">,
  output: Paper,
): string {
  const counts = Object.entries(resources)
    .filter(([kind]) => kind !== "same" && kind !== "read")
    .map(([kind, number]) => `${number} to ${kind}`);
  const about = [`plan ${id.slice(0, 12)}`, ...(counts.length > 0 ? counts : ["nothing to do"])];
  return output.paint(`  ${about.join(", ")}`, "dim");
}

function rowLines(row: string, output: Paper): string[] {
  const label = row.slice(0, LABEL);
  const name = label.trim();
  const hanging = " ".repeat(LABEL);
  const style = STYLES[name];
  const [first = "", ...rest] = output.wrap(plain(row.slice(LABEL)), { indent: hanging, hanging });
  const head = style === undefined ? output.paint(label, "dim") : output.paint(label, style);
  return [`${head}${first.slice(LABEL)}`, ...rest];
}
