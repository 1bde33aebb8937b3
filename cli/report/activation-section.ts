import type { UnitChange } from "../../contract/unit-changes.ts";
import type { ProbeResult } from "../../contract/verdict.ts";
import type { HostReport } from "./document.ts";
import { seconds, stepsOf, storyOf, unitsOf } from "./facts.ts";
import { type Html, html } from "./html.ts";
import { bar, type Cell, type Column, type Stretch, tableOf } from "./tables.ts";

const STEPS: readonly Column[] = [
  { title: "Step" },
  { title: "Takes", kind: "number" },
  { title: "When", kind: "bar" },
];

/** What the host did, step by step, and unit by unit. */
export function activationSection(report: HostReport): Html {
  const steps = stepsOf(report);
  if (steps.length === 0) return html``;
  const whole = steps.at(-1)?.to ?? 0;
  const { record } = report;
  const rows = steps.map(({ name, from, to }): Cell[] => [
    name === record?.failedStep ? html`${name} <span class="bad">failed</span>` : name,
    seconds(to - from),
    bar([{ from, to, ...(name === record?.failedStep ? { tone: "bad" as const } : {}) }], whole),
  ]);
  return html`<h3>Activation</h3>
${tableOf(`The steps of the transaction, ${seconds(whole)} in all`, STEPS, rows)}
${units(report)}`;
}

function units(report: HostReport): Html {
  const changed = unitsOf(report);
  if (changed.length === 0) return html`<p>No unit was touched.</p>`;
  const timed = changed.some(({ from }) => from !== null);
  const recorded = report.record?.units;
  const switched = recorded == null ? 0 : recorded.ended - recorded.began;
  const whole = Math.max(switched, ...changed.map(({ from, to }) => to ?? from ?? 0));
  const rows = changed.map((unit): Cell[] => {
    const { from, to } = unit;
    const stretch = from === null ? [] : [{ from, to: to ?? whole }];
    return [unit.unit, whatHappened(unit), ...(timed ? [bar(stretch, whole)] : [])];
  });
  const during: Column = { title: "During the switch", kind: "bar" };
  const columns = [{ title: "Unit" }, { title: "What happened" }, ...(timed ? [during] : [])];
  const more = recorded != null && recorded.omitted > 0 ? ` and ${recorded.omitted} more` : "";
  const caption = timed
    ? `${changed.length} units${more}, by the word of systemd, in the ${seconds(whole / 1000)} of the switch`
    : `${changed.length} units, as the switch has told`;
  return html`${tableOf(caption, columns, rows)}`;
}

function whatHappened({ change, state, from, to }: UnitChange): Html {
  const asMeant =
    state === "active" || state === "" || (change === "stopped" && state === "inactive");
  const tone = state === "failed" ? "bad" : "warn";
  const began = from === null ? "" : ` ${seconds(from / 1000)} – `;
  const ended = from === null || to === null ? "" : seconds(to / 1000);
  return html`${change}${!asMeant && html`, <span class="${tone}">${state}</span>`}<span class="quiet">${began}${ended}</span>`;
}

const PROBES: readonly Column[] = [
  { title: "Probe" },
  { title: "Result" },
  { title: "Over time", kind: "bar" },
];

/** What the probes said, and when, of the release and after a rollback. */
export function healthSection({ verdict }: HostReport): Html {
  if (verdict === null)
    return html`<h3>Health</h3>
<p>The host no longer keeps what the probes of this transaction said.</p>`;
  const { probes, healthAfterRollback } = verdict;
  if (probes.length === 0 && healthAfterRollback === null) return html``;
  return html`<h3>Health</h3>
${probes.length > 0 && probeTable("of the release", probes)}
${healthAfterRollback !== null && healthAfterRollback.length > 0 && probeTable("of the previous system, after the rollback", healthAfterRollback)}`;
}

function probeTable(whose: string, probes: readonly ProbeResult[]): Html {
  const whole = Math.max(...probes.map(({ seconds: took }) => took));
  const passed = probes.filter(({ ok }) => ok).length;
  const rows = probes.map((probe): Cell[] => [
    probe.required === false ? html`${probe.name} <span class="quiet">optional</span>` : probe.name,
    html`<span class="${probe.ok ? "ok" : "bad"}">${probe.ok ? "passed" : "failed"}</span> after ${seconds(probe.seconds)}, ${probe.attempts} ${probe.attempts === 1 ? "try" : "tries"}: ${probe.answer}${story(probe)}`,
    bar(stretchesOf(probe), whole),
  ]);
  return tableOf(
    `Probes ${whose}: ${passed} of ${probes.length} passed, in ${seconds(whole)}`,
    PROBES,
    rows,
  );
}

function story({ changes }: ProbeResult): Html {
  if (changes === undefined) return html``;
  const told = changes.map(
    ({ seconds: at, answer }) => html`<br><span class="quiet">${seconds(at)}: ${answer}</span>`,
  );
  return html`${told}`;
}

/** From each answer to the next one it was so; what came before the first, nobody knows: grace, or the first try itself. */
function stretchesOf(probe: ProbeResult): Stretch[] {
  const told = storyOf(probe);
  return told.map(({ seconds: from, ok }, index) => ({
    from: index === 0 && told.length === 1 ? 0 : from,
    to: told[index + 1]?.seconds ?? Math.max(probe.seconds, from),
    tone: ok ? "ok" : "bad",
  }));
}
