import type { Registration } from "./registrations.ts";

/** What a change of some property makes of a resource: the provider's knowledge, as far as it is needed here. */
const REPLACED_BY: Record<string, readonly string[]> = {
  "aws:ec2/eipAssociation:EipAssociation": ["allocationId", "instanceId"],
  "aws:route53/record:Record": ["zoneId", "name", "type"],
  "aws:s3/bucket:Bucket": ["bucket"],
};

interface Change {
  readonly sign: string;
  readonly plan: string;
  readonly info: string;
}

/** What Pulumi would plan to get from what a program has registered before to what it registers now. */
export function previewOf(before: readonly Registration[], now: readonly Registration[]): string {
  const gone = before.filter((one) => !now.some((other) => isSame(one, other)));
  const rows = [
    ...now.map((one) => ({
      ...row(one),
      ...changeOf(
        before.find((old) => isSame(old, one)),
        one,
      ),
    })),
    ...gone.map((one) => ({ ...row(one), ...deletionOf(one) })),
  ].filter(({ plan }) => plan !== "same");
  rows.sort((a, b) => (`${a.type} ${a.name}` < `${b.type} ${b.name}` ? -1 : 1));
  const columns = [
    rows.map(({ type }) => type),
    rows.map(({ name }) => name),
    rows.map(({ plan }) => plan),
  ];
  const [types = 0, names = 0, plans = 0] = columns.map((all) =>
    Math.max(0, ...all.map((text) => text.length)),
  );
  const lines = rows.map(({ sign, type, name, plan, info }) =>
    `${sign.padEnd(3)}${type.padEnd(types)}  ${name.padEnd(names)}  ${plan.padEnd(plans)}  ${info}`.trimEnd(),
  );
  const unchanged = now.length - now.filter((one) => rows.some(({ of }) => of === one)).length;
  return [...lines, ...(unchanged > 0 ? [`   ${unchanged} unchanged`] : [])].join("\n");
}

function row(of: Registration) {
  return { of, type: of.type.replace(/^(\w+):(\w+)\/\w+:/, "$1:$2:"), name: of.name };
}

function isSame(one: Registration, other: Registration): boolean {
  const names = [other.name, ...other.aliases];
  return one.type === other.type && names.includes(one.name);
}

function changeOf(old: Registration | undefined, now: Registration): Change {
  if (old === undefined) return { sign: "+", plan: "create", info: "" };
  const keys = [...new Set([...Object.keys(old.inputs), ...Object.keys(now.inputs)])].sort();
  const changed = keys.filter(
    (key) =>
      !now.ignoreChanges.includes(key) &&
      JSON.stringify(old.inputs[key]) !== JSON.stringify(now.inputs[key]),
  );
  if (changed.length === 0) return { sign: "", plan: "same", info: "" };
  const info = `[diff: ${changed.map((key) => `~${key}`).join(",")}]`;
  const replaced = changed.some((key) => REPLACED_BY[now.type]?.includes(key));
  return replaced ? { sign: "+-", plan: "replace", info } : { sign: "~", plan: "update", info };
}

function deletionOf({ retainOnDelete }: Registration): Change {
  return { sign: "-", plan: "delete", info: retainOnDelete ? "[retain]" : "" };
}
