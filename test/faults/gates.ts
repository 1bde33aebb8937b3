// What happens around a switch-to-configuration of prod, or instead of it. Every toplevel's wrapper execs this file.
import { rmSync } from "node:fs";
import type { Row } from "./row.ts";
import { way } from "./ways.ts";

const FILE = "/etc/lab/switch-to-configuration";
const GATE = "/var/lib/lab-gate";
const GATE_FILES = [GATE, `${GATE}-open`];
/** After BODY the program of the toplevel itself runs, as its wrapper would have run it. */
const AROUND = (body: string) => `#!/bin/bash
${body}
eval "$(grep '^exec /usr/bin/python3' "$TOPLEVEL/bin/switch-to-configuration")"
`;

/** `body` is bash: $1 is the action, $TOPLEVEL the system. It stays for the time of `work`. */
export async function aroundSwitch<T>(row: Row, body: string, work: () => Promise<T>): Promise<T> {
  await install(row, FILE, AROUND(body));
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
  clear(row);
  return aroundSwitch(row, body, () => work(gateOf(row))).finally(() => clear(row));
}

/** Holds an activation in its preflight: the nix-store that it runs there waits until the gate is opened. */
export function holdPreflight<T>(row: Row, work: (gate: Gate) => Promise<T>): Promise<T> {
  const body = `if [[ \${NIXOS_PROMOTE_JOB-} == */activate-* && ! -e ${GATE}-open ]]; then
  touch ${GATE}
  while [[ ! -e ${GATE}-open ]]; do sleep 0.05; done
fi`;
  return aroundNixStore(row, body, () => work(gateOf(row))).finally(() => clear(row));
}

/** `body` is bash that runs before each nix-store on prod, with its arguments. */
export async function aroundNixStore<T>(
  row: Row,
  body: string,
  work: () => Promise<T>,
): Promise<T> {
  const program = `${way.bin}/nix-store`;
  await install(row, program, `#!/bin/bash\n${body}\nexec /usr/bin/nix-store "$@"\n`);
  try {
    return await work();
  } finally {
    await row.prod.exec(["rm", "-f", program]);
  }
}

/** A program on prod; whoever starts it meanwhile gets the old one or the new. */
async function install(row: Row, file: string, text: string): Promise<void> {
  const script = `mkdir -p "$(dirname "$1")"; cat >"$1.new"; chmod +x "$1.new"; mv "$1.new" "$1"`;
  await row.prod.must(["bash", "-euc", script, "bash", file], { input: text });
}

function clear(row: Row): void {
  for (const file of GATE_FILES) rmSync(`${row.prod.root}${file}`, { force: true });
}

function gateOf(row: Row): Gate {
  return {
    reached: () => row.until("it waits at the gate", () => row.exists(GATE)),
    open: async () => void (await row.prod.must(["touch", `${GATE}-open`])),
  };
}
