import { describeConnection, type SimulatedConnection } from "../../contract/connection.ts";
import type { Executor } from "./executor.ts";

/** A host that does not exist and answers as one would: see providers/simulation. For benchmarks, and refused without one. */
export function simulatedExecutor(connection: SimulatedConnection): Executor {
  let calls = 0;
  return {
    ...{ host: describeConnection(connection), kind: "simulated" },
    async run(script, input, { fresh }) {
      const isFirst = calls++ === 0;
      const { answerOf } = await import("../simulation/fleet.ts");
      return answerOf(connection.name, { script, input, connects: fresh || isFirst });
    },
    close() {},
  };
}
