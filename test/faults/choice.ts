// Which rows a run has: all over ssh; over SSM those that mean something there, or of them a short list.
export interface Run {
  readonly executor: string;
  /** `short`: those of the list. Default: all. */
  readonly rows: string | undefined;
}

/** By their beginning: all where the way to the host breaks or the operator does, and some of each other kind. */
export const SHORT_LIST: readonly string[] = [
  ...["N", "O", "H01", "H03", "H05", "H06", "H09", "H11"],
  ...["S03", "S09", "P02", "P05", "R02", "R06", "R08", "D01", "D07"],
];

export function isChosen(
  title: string,
  { sshOnly }: { readonly sshOnly?: string },
  { executor, rows }: Run = {
    executor: process.env.TEST_EXECUTOR ?? "ssh",
    rows: process.env.TEST_ROWS,
  },
): boolean {
  if (executor === "ssh") return true;
  if (sshOnly !== undefined) return false;
  return rows !== "short" || SHORT_LIST.some((row) => title.startsWith(row));
}
