import { describeTime } from "../../contract/job-record.ts";
import { shortPath } from "../../contract/store-path.ts";
import { namedChanges } from "../../providers/nixos/plan/changes-text.ts";
import { bytesText } from "../../providers/nixos/plan/text.ts";
import { whoOf } from "../ledger.ts";
import { describeRelease } from "../sight.ts";
import { activationSection, healthSection } from "./activation-section.ts";
import type { Contents, HostReport, Part } from "./document.ts";
import {
  failed,
  growth,
  outcomeText,
  packageText,
  seconds,
  stepsOf,
  toneOf,
  toneOfRecord,
  versions,
} from "./facts.ts";
import { type Html, html } from "./html.ts";
import { tableOf } from "./tables.ts";
import { treemap } from "./treemap.ts";

/** All about one host. */
export function hostSection(report: HostReport, id: string): Html {
  const { host, stack, connection, record, error } = report;
  return html`<section class="host" id="${id}" aria-labelledby="${id}-title">
<div class="title"><h2 id="${id}-title">${host}</h2><span class="badge ${toneOf(report)}">${record === null ? "not known" : outcomeText(record)}</span></div>
<p class="quiet">Stack ${stack}, ${connection}</p>
${error !== null && html`<div class="note bad"><p><strong>It could not be asked.</strong> ${error}</p></div>`}
${
  record !== null &&
  html`${whyItFailed(report)}
${factsOf(report)}
${packages(report, id)}
${usersAndEtc(report)}
${activationSection(report)}
${healthSection(report)}
${diagnostics(report)}
${historyOf(report)}`
}
</section>
`;
}

function whyItFailed(report: HostReport): Html {
  const { record, verdict, sight } = report;
  if (record === null || !failed(report)) return html``;
  const now =
    sight === null || sight.error !== null ? null : `It runs ${describeRelease(sight)} now.`;
  return html`<div class="note ${toneOfRecord(record)}"><p><strong>Failed in step ${record.failedStep ?? "unknown"}.</strong> ${record.reason ?? "No reason is on record."}</p>
${verdict?.advice && html`<p>${verdict.advice}</p>`}
${now && html`<p>${now}</p>`}</div>`;
}

function factsOf(report: HostReport): Html {
  const { record, contents, sight } = report;
  if (record === null) return html``;
  const path = (of: string | null | undefined) =>
    of ? html`<code>${shortPath(of)}</code>` : "nothing";
  const takes = stepsOf(report).at(-1)?.to;
  const facts: [string, Html | string][] = [
    [
      "When",
      `${describeTime(record.startedAt ?? record.at)}${takes === undefined ? "" : `, in ${seconds(takes)}`}`,
    ],
    ["By", `${whoOf(record) || "somebody"}${record.executor ? ` over ${record.executor}` : ""}`],
    ["Before", path(record.before?.currentSystem ?? record.previous)],
    ["Release", path(record.toplevel)],
    ...(contents === null
      ? []
      : [
          [
            "Size",
            `${bytesText(contents.bytes)} in ${contents.paths} store paths (${growth(contents.bytes - contents.bytesBefore)})`,
          ] as [string, string],
        ]),
    [
      "Transaction",
      html`<code>${record.id}</code>${record.mode === "switch" ? "" : ` (${record.mode ?? "?"})`}`,
    ],
    ...(sight === null
      ? []
      : [["Now", sight.error === null ? sight.health : "does not answer"] as [string, string]]),
  ];
  return html`<dl>${facts.map(
    ([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>
`,
  )}</dl>`;
}

function packages({ contents, record }: HostReport, id: string): Html {
  if (contents === null)
    return html`<h3>Packages</h3>
<p>${record?.before || record?.previous ? "One of the two systems is no longer in the host's store, so what changed between them cannot be told." : "Nothing is known to have run before it."}</p>`;
  const { changes } = contents;
  const rows = changes.map(({ name, from, to, bytes }) => [
    name,
    packageText(from, to),
    growth(bytes),
  ]);
  const columns = [
    { title: "Package" },
    { title: "Version" },
    { title: "Size", kind: "number" as const },
  ];
  return html`<h3>Packages</h3>
${
  rows.length === 0
    ? html`<p>No package changes.</p>`
    : tableOf("What the release changes, and by how many bytes of the store", columns, rows)
}
<h3>What it is made of</h3>
${composition(contents, id)}`;
}

const LISTED = 200;

function composition({ parts, bytes, paths }: Contents, id: string): Html {
  const largest = parts.slice(0, 3).map((part) => `${part.name} with ${bytesText(part.bytes)}`);
  const count = (state: Part["state"]) => parts.filter((part) => part.state === state).length;
  const about =
    `Sizes of ${parts.length} packages as areas, ${bytesText(bytes)} in all. The largest: ${largest.join(", ")}. ` +
    `${count("new")} are new, ${count("changed")} changed. The table below lists them.`;
  const legend = [
    ["changed", "changed"],
    ["new", "new"],
    ["same", "as before"],
  ] as const;
  const rows = parts
    .slice(0, LISTED)
    .map(({ name, versions: of, state, bytes: size }) => [
      name,
      state === "same" ? versions(of) : `${versions(of)} (${state})`,
      bytesText(size),
    ]);
  const columns = [
    { title: "Package" },
    { title: "Version" },
    { title: "Size", kind: "number" as const },
  ];
  return html`<figure>
<figcaption>${bytesText(bytes)} in ${paths} store paths, by package</figcaption>
${treemap(parts, `${id}-sizes`, about)}
<ul class="legend">${legend.map(([state, says]) => html`<li><svg aria-hidden="true" focusable="false"><rect class="${state}" width="100%" height="100%"/></svg>${says}: ${count(state)}</li>`)}</ul>
</figure>
<details><summary>The same as a table</summary>
${tableOf(parts.length > LISTED ? `The ${LISTED} largest of ${parts.length} packages` : "All packages, the largest first", columns, rows)}
</details>`;
}

function usersAndEtc({ contents }: HostReport): Html {
  if (contents === null) return html``;
  const { users, groups, etc } = contents;
  const rows = namedChanges(contents).map(({ kind, name, happens }) => [name, kind, happens]);
  const columns = [{ title: "Name" }, { title: "Of" }, { title: "What happened" }];
  const isKnown = users !== null && groups !== null && etc !== null;
  return html`<h3>Users and /etc</h3>
${!isKnown && html`<p>Not all of it is known: at least one of the two systems does not say.</p>`}
${isKnown && rows.length === 0 && html`<p>No user, no group and no file below /etc changes.</p>`}
${rows.length > 0 && tableOf("Users, groups and files below /etc, by name; the units have a table of their own", columns, rows)}`;
}

function diagnostics({ verdict, record, host }: HostReport): Html {
  const file = record?.diagnosticsFile;
  const text = verdict?.diagnostics;
  if (!text && !file) return html``;
  return html`<h3>Diagnostics</h3>
${file && html`<p>All of it: <code>${file}</code> on ${host}</p>`}
${text && html`<pre tabindex="0" role="region" aria-label="Diagnostics of ${host}">${text.trim()}</pre>`}`;
}

function historyOf({ history, record }: HostReport): Html {
  if (history.length < 2) return html``;
  const rows = history.map((entry) => [
    describeTime(entry.at).replace(/:\d\d UTC$/, " UTC"),
    html`<span class="${toneOfRecord(entry)}">${outcomeText(entry)}</span>`,
    html`<code>${entry.release?.rev?.slice(0, 12) ?? ""}</code> ${entry.release?.subject ?? ""}${entry.id === record?.id && html` <span class="quiet">(this report)</span>`}`,
  ]);
  const columns = [{ title: "When" }, { title: "Outcome" }, { title: "Release" }];
  return html`<h3>Health over time</h3>
${tableOf("The last transactions of this host, the newest first", columns, rows)}`;
}
