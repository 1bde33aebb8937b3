/** What hooks and smoke tests get to know of a release. */
export interface Facts {
  readonly host: string;
  readonly rev: string;
  readonly subject: string;
  readonly toplevel?: string | undefined;
  readonly transaction?: string | undefined;
  readonly previousSystem?: string | undefined;
}

/** As their environment, one line each: a commit's subject is anybody's text, and never part of a command. */
export function releaseFacts(facts: Facts): Record<string, string> {
  const { host, rev, subject, toplevel = "", transaction, previousSystem } = facts;
  return {
    NIXOS_PROMOTE_HOST: host,
    NIXOS_PROMOTE_REV: rev,
    NIXOS_PROMOTE_SUBJECT: subject.replace(/\p{Cc}/gu, " "),
    NIXOS_PROMOTE_TOPLEVEL: toplevel,
    ...(transaction === undefined ? {} : { NIXOS_PROMOTE_TRANSACTION: transaction }),
    ...(previousSystem === undefined ? {} : { NIXOS_PROMOTE_PREVIOUS_SYSTEM: previousSystem }),
  };
}
