import { type Connection, connection } from "../../contract/connection.ts";
import { Failure } from "../errors.ts";

/**
 * The connection in the id that `pulumi import` is given: `local`, an ssh alias, `ssh://user@host:port`, or
 * `ssm://i-…@region`.
 */
export function connectionOfId(id: string): Connection {
  if (id === "local") return { kind: "local" };
  if (id.startsWith("ssm://")) return ssmConnectionOf(id);
  const [, user, host, port] = /^(?:ssh:\/\/)?(?:([^@/]+)@)?([^@/:]+)(?::(\d+))?$/.exec(id) ?? [];
  const parsed = connection.safeParse({
    kind: "ssh",
    host,
    ...(user === undefined ? {} : { user }),
    ...(port === undefined ? {} : { port: Number(port) }),
  });
  if (parsed.success) return parsed.data;
  throw noHost(id);
}

function ssmConnectionOf(id: string): Connection {
  const [, instanceId, region] = /^ssm:\/\/([^@/]+)(?:@([^@/]+))?$/.exec(id) ?? [];
  const parsed = connection.safeParse({
    kind: "awsSsm",
    instanceId,
    ...(region === undefined ? {} : { region }),
  });
  if (parsed.success) return parsed.data;
  throw noHost(id);
}

function noHost(id: string): Failure {
  return new Failure(
    "refused",
    `[id] "${id}" is no host: give an ssh alias, ssh://user@host:port, ssm://i-0123456789abcdef0@region or local.`,
  );
}
