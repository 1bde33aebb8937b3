import type { PlanDocument } from "../../contract/plan.ts";
import type { Output, Style } from "../output.ts";
import { plain } from "../text.ts";

type Paper = Pick<Output, "paint" | "wrap">;

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
  const [title = "", ...rows] = document.text.split("\n");
  const resources = Object.entries(document.resources)
    .filter(([kind]) => kind !== "same" && kind !== "read")
    .map(([kind, number]) => `${number} to ${kind}`);
  const body = rows.flatMap((row) => rowLines(row, output));
  const about = [
    `plan ${document.id.slice(0, 12)}`,
    ...(resources.length > 0 ? resources : ["nothing to do"]),
  ];
  return [
    ...output.wrap(plain(title), { hanging: "  " }).map((line) => output.paint(line, "bold")),
    ...body,
    output.paint(`  ${about.join(", ")}`, "dim"),
  ];
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
