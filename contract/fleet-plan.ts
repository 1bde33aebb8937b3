import { z } from "zod";
import { change, planned, plannedHost } from "./plan.ts";

const hosts = z.array(z.string());

/** One host of many as it was when the plan was made, with what is its own of what will be done to it. */
const plannedMember = plannedHost.extend({
  to: z.string().nullable().describe("The system that it is to run"),
  copy: change.shape.copy.pick({ paths: true, bytes: true }),
});

const wave = z.object({
  name: z.string(),
  soakSeconds: z.number(),
  groups: z
    .array(
      z.object({
        hosts,
        change: change.describe("Of the first; paths and sizes of the others may be their own"),
        text: z.string().describe("As a preview shows it"),
      }),
    )
    .describe("Hosts to which the same will be done"),
  settled: hosts.describe("To whom nothing will be done"),
  unseen: z.array(z.object({ host: z.string(), message: z.string() })),
  held: hosts.describe("Left alone by [only]"),
});
export type PlannedWave = z.infer<typeof wave>;

/** What the program says of the plan of many hosts. */
export const fleetPlannedByProgram = z.object({
  ...planned.program,
  waves: z.array(wave),
  hosts: z.record(z.string(), plannedMember),
});
export type FleetPlannedByProgram = z.infer<typeof fleetPlannedByProgram>;

/** The plan of a stack with many hosts, to be read and kept: `promote plan` makes it. */
export const fleetPlan = fleetPlannedByProgram.extend(planned.command);
export type FleetPlanDocument = z.infer<typeof fleetPlan>;
