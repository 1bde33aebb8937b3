import type { LedgerRecord } from "../../contract/ledger.ts";
import type { UnitChange } from "../../contract/unit-changes.ts";
import type { ProbeResult } from "../../contract/verdict.ts";
import { bytesText } from "../../providers/nixos/plan/text.ts";
import type { HostReport } from "./document.ts";

/*
 * What every shape of a report says in the same words.
 */

export type Tone = "ok" | "warn" | "bad";

const TONES: Readonly<Record<LedgerRecord["outcome"], Tone>> = {
  committed: "ok",
  tested: "ok",
  restored: "ok",
  "rolled-back": "warn",
  refused: "warn",
  interrupted: "bad",
  "cut-off": "bad",
  "rollback-failed": "bad",
};

export function toneOf({ record, error }: HostReport): Tone {
  if (error !== null) return "bad";
  return record === null ? "warn" : TONES[record.outcome];
}

export function toneOfRecord({ outcome }: LedgerRecord): Tone {
  return TONES[outcome];
}

const WORDS: Partial<Record<LedgerRecord["outcome"], string>> = {
  "rolled-back": "rolled back",
  "rollback-failed": "rollback failed",
  "cut-off": "cut off",
};

export function outcomeText({ outcome }: Pick<LedgerRecord, "outcome">): string {
  return WORDS[outcome] ?? outcome;
}

export function failed({ record }: HostReport): boolean {
  return record !== null && TONES[record.outcome] !== "ok";
}

/** `+2.3 KiB`; a real minus for the less. */
export function growth(bytes: number): string {
  if (bytes === 0) return "±0";
  return `${bytes > 0 ? "+" : "−"}${bytesText(Math.abs(bytes))}`;
}

/** `0.12 s`, `14.2 s`, `3 min 5 s`. */
export function seconds(value: number): string {
  if (value >= 120) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
  return `${value < 10 ? value.toFixed(2) : value.toFixed(1)} s`;
}

export function packageText(from: readonly string[], to: readonly string[]): string {
  if (from.length === 0) return `new ${versions(to)}`;
  if (to.length === 0) return `${versions(from)} removed`;
  return from.join() === to.join() ? "rebuilt" : `${versions(from)} → ${versions(to)}`;
}

export function versions(of: readonly string[]): string {
  return of.map((one) => (one === "ε" ? "no version" : one)).join(", ");
}

interface Span {
  readonly name: string;
  /** Seconds. */
  readonly from: number;
  readonly to: number;
}

/** The steps of a transaction, one after the other. */
export function stepsOf({ record, verdict }: HostReport): Span[] {
  let at = 0;
  return (record?.steps ?? verdict?.steps ?? []).map(({ name, seconds: takes }) => {
    const from = at;
    at += takes;
    return { name, from, to: at };
  });
}

/** What a switch did to units: as the host has recorded it, else as the switch itself has said it. */
export function unitsOf({ record, verdict }: HostReport): readonly UnitChange[] {
  if (record?.units != null) return record.units.changed;
  return saidUnits(verdict?.switch?.output ?? "");
}

const SAID: readonly (readonly [RegExp, UnitChange["change"]])[] = [
  [/^stopping the following units: (.*)$/gm, "stopped"],
  [/^reloading the following units: (.*)$/gm, "reloaded"],
  [/^restarting the following units: (.*)$/gm, "restarted"],
  [/^starting the following units: (.*)$/gm, "started"],
  [/^the following new units were started: (.*)$/gm, "started"],
];

/** A changed unit is stopped by the old system and started by the new one: that is a restart. */
export function saidUnits(output: string): UnitChange[] {
  const found = new Map<string, UnitChange["change"]>();
  for (const [pattern, change] of SAID)
    for (const [, list = ""] of output.matchAll(pattern))
      for (const unit of list.split(", ").filter(Boolean))
        found.set(
          unit,
          change === "started" && found.get(unit) === "stopped" ? "restarted" : change,
        );
  return [...found].map(([unit, change]) => ({ unit, change, from: null, to: null, state: "" }));
}

/** Probes that were not right at once have a story; the others one answer. */
export function storyOf({ changes, ok, seconds: took, answer }: ProbeResult) {
  return changes ?? [{ seconds: took, ok, answer }];
}

export function startedAt({ record }: HostReport): number | null {
  return record?.startedAt ?? null;
}
