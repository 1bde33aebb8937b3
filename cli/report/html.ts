import { plain } from "../text.ts";

/** Markup of ours. Whatever else is put into it is text, however it looks. */
export class Html {
  readonly markup: string;
  constructor(markup: string) {
    this.markup = markup;
  }
}

type Content = Html | string | number | null | undefined | false | readonly Content[];

/** Markup with text of hosts and commits in it: only what is `Html` itself stays as it is. */
export function html(parts: TemplateStringsArray, ...contents: readonly Content[]): Html {
  const markup = parts.map(
    (part, index) => part + (index < contents.length ? markupOf(contents[index]) : ""),
  );
  return new Html(markup.join(""));
}

function markupOf(content: Content): string {
  if (content === null || content === undefined || content === false) return "";
  if (content instanceof Html) return content.markup;
  if (typeof content === "object") return content.map(markupOf).join("");
  return escaped(String(content));
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Several lines stay several; nothing else that would command a terminal or turn text around is left. */
function escaped(text: string): string {
  const lines = text.split("\n").map(plain).join("\n");
  return lines.replace(/[&<>"']/g, (letter) => ENTITIES[letter] ?? "");
}
