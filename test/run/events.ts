import { z } from "zod";

const path = z.array(z.string());

const result = z.object({
  path,
  outcome: z.enum(["passed", "failed", "skipped"]),
  milliseconds: z.number(),
  detail: z.string().exactOptional(),
});

/** What the reporter inside mocha tells the runner, one JSON object a line, on file descriptor 3. */
export const testEvent = z.discriminatedUnion("event", [
  z.object({ event: z.literal("suite"), path }),
  z.object({ event: z.literal("start"), path }),
  z.object({ event: z.literal("result"), result }),
  z.object({ event: z.literal("end") }),
]);

export type TestEvent = z.infer<typeof testEvent>;

export const EVENTS_FD = 3;
