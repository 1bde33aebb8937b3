import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describeTime } from "../../contract/job-record.ts";
import type { ReportDocument } from "./document.ts";
import { outcomeText, toneOf } from "./facts.ts";
import { hostSection } from "./host-section.ts";
import { Html, html } from "./html.ts";

const STYLE = readFileSync(new URL("style.css", import.meta.url), "utf8");
/** Nothing is loaded, sent or run, and no style but ours holds, whatever text of hosts may have become. */
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`,
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** One file that needs nothing else: no script, no font, no network. */
export function reportPage(document: ReportDocument): string {
  const { release, project, hosts, createdAt } = document;
  const rev = release.rev?.slice(0, 12) ?? "an unknown release";
  const title = release.subject || `Release ${rev}`;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${title} – ${rev}</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the hosts</a>
<header>
<p class="eyebrow">Release <code>${release.rev ?? "unknown"}</code> of ${project}</p>
<h1>${title}</h1>
${hosts.length > 1 && navigation(document)}
</header>
<main id="content" tabindex="-1">
${hosts.map((host, index) => hostSection(host, `host-${index + 1}`))}
</main>
<footer>
<p class="quiet">From the records of the hosts themselves, as they were at ${describeTime(createdAt)}.</p>
</footer>
</body>
</html>
`;
  return page.markup;
}

function navigation({ hosts }: ReportDocument): Html {
  return html`<nav aria-label="Hosts"><ul>
${hosts.map(
  (
    host,
    index,
  ) => html`<li><a href="#host-${index + 1}">${host.host} <span class="badge ${toneOf(host)}">${host.record === null ? "not known" : outcomeText(host.record)}</span></a></li>
`,
)}</ul></nav>`;
}
