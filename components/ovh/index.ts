import type { OvhSettings } from "../../contract/ovh.ts";
import { formerName } from "../former-name.ts";
import type * as pulumi from "../pulumi.ts";
import { OvhHost } from "./host.ts";

export interface OvhServerOutputs {
  readonly address: pulumi.Output<string>;
  readonly state: pulumi.Output<string>;
}

/** What a stack has of OVH. */
export function createOvh({ servers }: OvhSettings): Record<string, OvhServerOutputs> {
  const hosts = Object.entries(servers).map(([name, { formerly, ...server }]) => {
    const { address, state } = new OvhHost(name, server, formerName(formerly));
    return [name, { address, state }] as const;
  });
  return Object.fromEntries(hosts);
}
