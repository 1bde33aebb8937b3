// What happens around a switch-to-configuration of prod, or instead of it. Every toplevel's wrapper execs this file.
import { rmSync } from "node:fs";
import { eventually } from "../e2e/world.ts";
import type { Row } from "./row.ts";

const FILE = "/etc/lab/switch-to-configuration";
const GATE = "/var/lib/lab-gate";
/** After BODY the program of the toplevel itself runs, as its wrapper would have run it. */
const AROUND = (body: string) => `#!/bin/bash
${body}
eval "$(grep '^exec /usr/bin/python3' "$TOPLEVEL/bin/switch-to-configuration")"
`;

/** `body` is bash: $1 is the action, $TOPLEVEL the system. It stays for the time of `work`. */
export async function aroundSwitch<T>(row: Row, body: string, work: () => Promise<T>): Promise<T> {
  const install = `mkdir -p /etc/lab; cat >"$1.new"; chmod +x "$1.new"; mv "$1.new" "$1"`;
  await row.prod.must(["bash", "-euc", install, "bash", FILE], { input: AROUND(body) });
  try {
    return await work();
  } finally {
    rmSync(`${row.prod.root}${FILE}`, { force: true });
  }
}

export interface Gate {
  /** Resolves when the switch waits there. */
  reached(): Promise<void>;
  open(): Promise<void>;
}

/** Holds a switch of `toplevel` with `action` before it does anything, until the gate is opened. */
export function gateBefore<T>(
  row: Row,
  action: "test" | "boot",
  toplevel: string,
  work: (gate: Gate) => Promise<T>,
): Promise<T> {
  const body = `if [[ $1 == ${action} && $TOPLEVEL == ${toplevel} && ! -e ${GATE}-open ]]; then
  touch ${GATE}
  while [[ ! -e ${GATE}-open ]]; do sleep 0.05; done
fi`;
  const clear = () => {
    for (const file of [GATE, `${GATE}-open`]) rmSync(`${row.prod.root}${file}`, { force: true });
  };
  const gate = {
    reached: () => eventually("the switch waits at the gate", () => row.exists(GATE), 60),
    open: async () => void (await row.prod.must(["touch", `${GATE}-open`])),
  };
  clear();
  return aroundSwitch(row, body, () => work(gate)).finally(clear);
}
