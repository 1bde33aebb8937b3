import { describeConnection } from "../../contract/connection.ts";
import type { Live, SystemProfileInputs } from "../../contract/resources.ts";
import { shortPath } from "../../contract/store-path.ts";
import type { ProbeResult, Verdict } from "../../contract/verdict.ts";
import { nameOf } from "./drift.ts";
import { mending } from "./last-transaction.ts";

/** What happened, where the host is now, what to do: in this order. */
export function reasonsOf(wanted: SystemProfileInputs, said: Verdict, now: Live): string[] {
  const reasons = [
    `${wanted.host} did not take release ${wanted.rev.slice(0, 12)}: ${said.reason ?? "no reason given"}`,
    stateSentence(wanted.host, said, now),
  ];
  if (said.advice !== null) reasons.push(said.advice);
  const sick = (said.healthAfterRollback ?? []).filter((probe: ProbeResult) => !probe.ok);
  if (said.outcome === "rolled-back" && sick.length > 0)
    reasons.push(
      `After the rollback not healthy: ${sick.map((p) => `${p.name} (${p.answer})`).join("; ")}.`,
    );
  if (said.diagnostics !== null) reasons.push(`Diagnostics:\n${said.diagnostics.trim()}`);
  if (said.diagnosticsFile !== null)
    reasons.push(`All of it: ${said.diagnosticsFile} on ${describeConnection(wanted.connection)}.`);
  return reasons;
}

function stateSentence(host: string, said: Verdict, now: Live): string {
  const running = runningSentence(host, now);
  switch (said.outcome) {
    case "committed":
    case "tested":
    case "shown":
      return running;
    case "rolled-back":
      return `It rolled back by itself: ${running} ${mending(said.reason ?? "")} \`pulumi up\` again.`;
    case "refused":
      return `Nothing was changed: ${running}`;
    case "rollback-failed":
      return (
        `THE ROLLBACK FAILED TOO: ${running} ` +
        (now.profile === said.before.profile
          ? "The boot default is the previous system, so a reboot brings it back; look at the diagnostics first."
          : "The boot default is not the previous system either, so do not reboot; look at the diagnostics first.")
      );
  }
}

/** What a host runs and would boot. */
export function runningSentence(host: string, now: Live): string {
  return `${host} runs ${nameOf(now.currentSystem)} and would boot ${nameOf(now.profile)}${doubt(now)}.`;
}

function doubt({ bootUnproven }: Live): string {
  if (bootUnproven === undefined) return "";
  return (
    `, if its boot loader leads there: it could not be written for ${shortPath(bootUnproven)}. ` +
    "Mend that before a reboot; the next `pulumi up` writes it again"
  );
}
