import { type Connection, connection } from "../../contract/connection.ts";
import { Failure } from "../errors.ts";

/** The connection in the id that `pulumi import` is given: `local`, an ssh alias, or `ssh://user@host:port`. */
export function connectionOfId(id: string): Connection {
  if (id === "local") return { kind: "local" };
  const [, user, host, port] = /^(?:ssh:\/\/)?(?:([^@/]+)@)?([^@/:]+)(?::(\d+))?$/.exec(id) ?? [];
  const parsed = connection.safeParse({
    kind: "ssh",
    host,
    ...(user === undefined ? {} : { user }),
    ...(port === undefined ? {} : { port: Number(port) }),
  });
  if (parsed.success) return parsed.data;
  throw new Failure(
    "refused",
    `[id] "${id}" is no host: give an ssh alias, ssh://user@host:port or local.`,
  );
}
