import type { z } from "zod";
import { getHostInputs } from "../../contract/resources.ts";
import { observed } from "./observation.ts";
import type { Invocation } from "./resource.ts";

/** What a host runs now. Nothing on it changes. */
export const getHost: Invocation<z.infer<typeof getHostInputs>> = {
  inputs: getHostInputs,
  call: ({ connection, units }) => observed(connection, { units }),
};
