import { z } from "zod";
import { machineId, sshConnection, type Way, way } from "./connection.ts";
import { name } from "./manifest.ts";
import { probes } from "./probe.ts";
import { onFailure } from "./rollout.ts";
import { smokeTests } from "./smoke.ts";

const names = z
  .array(name)
  .min(1, "must name at least one")
  .max(10_000)
  .refine((all) => new Set(all).size === all.length, "must name each once");
const seconds = z.number().int().min(0).max(86_400);
const count = z.number().int().min(1, "must be at least 1").max(100_000);

const places = {
  configuration: name
    .optional()
    .describe("nixosConfigurations.<name> of the release. Default: its role's, else its own name."),
  role: name.optional(),
  group: name.optional().describe("Such as a region or a rack."),
  tags: names.optional(),
};

const member = z
  .strictObject({
    ...places,
    connection: way.optional().describe("Default: ssh, to an alias of its own name."),
    fallback: way.optional(),
    machineId: machineId.optional(),
    address: z
      .string()
      .regex(/^([A-Za-z0-9_.-]+@)?[A-Za-z0-9_][A-Za-z0-9_.:-]*$/, "must be an ssh alias or address")
      .optional()
      .describe("By which the builder reaches it. Default: the host of its ssh connection."),
  })
  .refine(({ fallback, machineId: id }) => fallback === undefined || id !== undefined, {
    path: ["machineId"],
    message: "must be given where there is a fallback, which has to lead to the same machine",
  });

const defaults = z.strictObject({
  ...places,
  ssh: sshConnection.omit({ kind: true, host: true }).optional(),
});

const role = z.strictObject({
  configuration: name.optional(),
  health: probes.optional(),
  smoke: smokeTests.optional(),
});

const selection = {
  hosts: names.optional(),
  tags: names.optional(),
  groups: names.optional(),
  roles: names.optional(),
};

const wave = z
  .strictObject({
    name,
    ...selection,
    percent: z
      .number()
      .gt(0, "must be more than 0")
      .max(100, "must be at most 100")
      .optional()
      .describe("Of the hosts that it selects, rounded up."),
    count: count.optional(),
    soakSeconds: seconds.optional(),
  })
  .refine(({ percent, count: number }) => percent === undefined || number === undefined, {
    path: ["count"],
    message: "must not be given beside percent",
  });
export type WaveSettings = z.infer<typeof wave>;

/** Hosts by tag, group, role and name: all of what is given must be so of a host. */
export const only = z
  .strictObject(selection)
  .refine((given) => Object.keys(given).length > 0, "must give hosts, tags, groups or roles");
export type Selection = z.infer<typeof only>;

const SHARE = "must be a number of hosts, or a share of all such as 25%";
const NOBODY = "no host of [fleet.hosts] is so";

/** Many hosts, which take one release wave by wave. */
export const fleet = z
  .strictObject({
    hosts: z
      .record(name, member)
      .refine((all) => Object.keys(all).length > 0, "must name at least one host"),
    defaults: defaults.prefault({}),
    roles: z.record(name, role).default({}),
    waves: z.array(wave).max(100).default([]),
    maxInFlight: count.default(10),
    maxUnavailable: z
      .union([count, z.string().regex(/^(100|[1-9][0-9]?)%$/, SHARE)], SHARE)
      .optional(),
    soakSeconds: seconds.default(0),
    onFailure: onFailure.default("stop"),
  })
  .superRefine((given, context) => {
    const mistake = (path: (string | number)[], message: string) =>
      context.addIssue({ code: "custom", path, message });
    const all = membersOf(given);
    for (const [host, { role: of }] of Object.entries(all))
      if (of !== undefined && Object.keys(given.roles).length > 0 && !(of in given.roles))
        mistake(["hosts", host, "role"], `must be one of [fleet.roles]: there is no ${of}`);
    const seen = new Set<string>();
    for (const [index, each] of given.waves.entries()) {
      if (seen.has(each.name) || each.name === REST)
        mistake(
          ["waves", index, "name"],
          each.name === REST
            ? `must not be ${REST}, which is the wave of those that are left`
            : "must be a name of its own",
        );
      seen.add(each.name);
      for (const found of strangers(each, all)) mistake(["waves", index, ...found], NOBODY);
    }
  });
export type FleetSettings = z.infer<typeof fleet>;

/** The wave of the hosts that no other one takes. */
export const REST = "rest";

export interface Member {
  readonly name: string;
  readonly configuration: string;
  readonly connection: Way;
  readonly fallback?: Way | undefined;
  readonly machineId?: string | undefined;
  readonly address: string | undefined;
  readonly role: string | undefined;
  readonly group: string | undefined;
  readonly tags: readonly string[];
}

/** Each host with what it inherits. */
export function membersOf({
  hosts,
  defaults: inherited,
  roles,
}: Pick<FleetSettings, "hosts" | "defaults" | "roles">): Record<string, Member> {
  return Object.fromEntries(
    Object.entries(hosts).map(([host, own]) => {
      const role = own.role ?? inherited.role;
      const connection = { kind: "ssh" as const, host, ...own.connection };
      const way: Way =
        own.connection === undefined || own.connection.kind === "ssh"
          ? ({ ...inherited.ssh, ...connection } as Way)
          : own.connection;
      return [
        host,
        {
          name: host,
          configuration:
            own.configuration ??
            roles[role ?? ""]?.configuration ??
            inherited.configuration ??
            host,
          connection: way,
          fallback: own.fallback,
          machineId: own.machineId,
          address: own.address ?? (way.kind === "ssh" ? way.host : undefined),
          role,
          group: own.group ?? inherited.group,
          tags: own.tags ?? inherited.tags ?? [],
        },
      ];
    }),
  );
}

export function selects({ hosts, tags, groups, roles }: Selection, member: Member): boolean {
  return (
    (hosts?.includes(member.name) ?? true) &&
    (tags?.some((tag) => member.tags.includes(tag)) ?? true) &&
    (groups?.includes(member.group ?? "") ?? true) &&
    (roles?.includes(member.role ?? "") ?? true)
  );
}

/** The paths of names in a selection that no host has: slips of the pen. */
export function strangers(
  given: Selection,
  members: Readonly<Record<string, Member>>,
): (string | number)[][] {
  const all = Object.values(members);
  const known = {
    hosts: new Set(all.map((member) => member.name)),
    tags: new Set(all.flatMap((member) => member.tags)),
    groups: new Set(all.map((member) => member.group)),
    roles: new Set(all.map((member) => member.role)),
  };
  return (["hosts", "tags", "groups", "roles"] as const).flatMap((kind) =>
    (given[kind] ?? []).flatMap((word, index) =>
      (known[kind] as Set<string | undefined>).has(word) ? [] : [[kind, index]],
    ),
  );
}
