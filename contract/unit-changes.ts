import { z } from "zod";

const milliseconds = z.number().int().nullable().describe("Since the switch began");

/** What became of one unit during a switch, by systemd's own word. */
const unitChange = z.object({
  unit: z.string(),
  change: z.enum(["started", "stopped", "restarted", "reloaded"]),
  from: milliseconds.describe("When it left its state, in milliseconds since the switch began"),
  to: milliseconds.describe("When it reached `state`, likewise; null: not yet"),
  state: z
    .string()
    .describe("Its ActiveState when the switch had ended: active, inactive, failed, …"),
  triggered: z
    .boolean()
    .optional()
    .describe("A timer, a socket or a path can start it, too, without the switch"),
});
export type UnitChange = z.infer<typeof unitChange>;

/** What a switch was expected to do to units; each is named once. */
export const plannedUnits = z.object({
  stop: z.array(z.string()),
  start: z.array(z.string()),
  restart: z.array(z.string()),
  reload: z.array(z.string()),
});
export type PlannedUnits = z.infer<typeof plannedUnits>;

/** The units of one switch: what was planned, and what happened. A later rollback is no part of it. */
export const switchedUnits = z.object({
  began: z.number().int().describe("Unix milliseconds"),
  ended: z.number().int().describe("Unix milliseconds; health and confirmation come later"),
  planned: plannedUnits.nullable().describe("Null: there was no plan"),
  changed: z.array(unitChange).describe("In the order of `from`; at most 200"),
  omitted: z.number().int().describe("Changed units that found no room here"),
});
export type SwitchedUnits = z.infer<typeof switchedUnits>;
