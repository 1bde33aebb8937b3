// What docs say of settings is what the schemas say: that there is such a setting, its default, and none is left out.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { z } from "zod";
import { cloudSettings } from "../../cloud-settings.ts";
import { fleetSettings } from "../../fleet-settings.ts";
import { settings } from "../../settings.ts";

/** The schemas at a path, such as `host.connection.port`: one for each alternative that has it. */
type Known = Map<string, z.core.$ZodType[]>;

/** Section of a document, and the settings that its tables are about: those below any of these paths. */
const SECTIONS: readonly (readonly [file: string, heading: string, ...roots: string[]])[] = [
  ["settings.md", "`host`", "host"],
  ["settings.md", "`fleet`", "fleet", "fleet.hosts", "copy", "only"],
  ["settings.md", "`connection`", "host.connection", "fleet.defaults.ssh"],
  ["settings.md", "`release`", "release"],
  ["settings.md", "`pin`", "pin"],
  ["settings.md", "`copy`", "copy"],
  ["settings.md", "`activation`", "activation"],
  ["settings.md", "`activation.links`", "activation.links"],
  ["settings.md", "`health`", "health"],
  ["settings.md", "`smoke`", "smoke"],
  ["settings.md", "`policyPacks`", "policyPacks"],
  ["settings.md", "`hooks`", "hooks"],
  ["aws-ssm.md", "A host over AWS SSM", "host.connection"],
  ["caches.md", "Closures through binary caches", "copy"],
  ["cloud.md", "What stands around the hosts", "aws", "ovh"],
  ["cloud.md", "`aws`", "aws", "aws.hosts"],
  ["cloud.md", "`ovh`", "ovh.servers"],
  ["cloud.md", "`install`", "install"],
  ["cloud.md", "`traffic`", "traffic"],
  ["traffic.md", "What there is", "traffic"],
];

/** What alternatives are told apart by; tables have them in their heads. */
const DISCRIMINATORS = /(^|\.)(kind|from|via)$/;
/** Connections, probes and tests, which are the same wherever they are, and told of once. */
const AGAIN =
  /^(host\.fallback|.*\.(builder|proxy|on|target)|fleet\.hosts\.(connection|fallback)|.*\.(health|smoke|verify))$/;

describe("the settings in documents", () => {
  const known: Known = new Map();
  for (const schema of [settings, fleetSettings, cloudSettings]) collect(schema, "", known);

  for (const [file, heading, ...roots] of SECTIONS) {
    const text = section(file, heading);

    it(`${file}, ${heading}: each of its tables' settings exists, with that default`, () => {
      const rows = rowsOf(text);
      for (const { names, cells } of rows)
        for (const [index, name] of names.entries()) {
          const path = roots.map((root) => `${root}.${name}`).find((one) => known.has(one));
          assert.ok(path, `[${roots[0]}.${name}] there is no such setting`);
          checkDefault(path, known.get(path) ?? [], cells.length === 1 ? cells[0] : cells[index]);
        }
    });
  }

  it("are all that there are", () => {
    const silent = [...known.keys()].filter((path) => {
      const name = path.split(".").at(-1) ?? "";
      const about = SECTIONS.filter(([, , ...roots]) =>
        roots.some((root) => path === root || path.startsWith(`${root}.`)),
      );
      const told = about.map(([file, heading]) => `${heading}${section(file, heading)}`).join("\n");
      return !DISCRIMINATORS.test(path) && !new RegExp(`[\`.{, ]${name}[\`.:=,}]`).test(told);
    });
    assert.deepEqual(silent, []);
    assert.ok(known.size > 150, `only ${known.size} were found`);
  });

  it("stand in tables that this test can read", () => {
    const rows = SECTIONS.flatMap(([file, heading]) => rowsOf(section(file, heading)));
    assert.ok(rows.length > 90, `only ${rows.length} rows`);
  });
});

function collect(schema: z.core.$ZodType, path: string, known: Known): void {
  if (AGAIN.test(path)) return;
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case "object":
      for (const [key, value] of Object.entries(def.shape)) {
        const below = path === "" ? key : `${path}.${key}`;
        known.set(below, [...(known.get(below) ?? []), value]);
        collect(value, below, known);
      }
      break;
    case "array":
      collect(def.element, path, known);
      break;
    case "record":
      collect(def.valueType, path, known);
      break;
    case "union":
      for (const option of def.options) collect(option, path, known);
      break;
    case "optional":
    case "default":
    case "prefault":
    case "nullable":
      collect(def.innerType, path, known);
      break;
    case "pipe":
      collect(def.in, path, known);
      break;
    default:
  }
}

function section(file: string, heading: string): string {
  const text = readFileSync(new URL(`../../docs/${file}`, import.meta.url), "utf8");
  const prose = text.replace(/^```.*?^```$/gms, ""); // in which a line may begin with #, too
  const parts = prose.split(/^(?=#{1,3} )/m);
  const found = parts.find((part) => part.replace(/^#+ /, "").startsWith(`${heading}\n`));
  assert.ok(found, `${file} has no section ${heading}`);
  return found;
}

/** Of tables with a column of defaults: which settings a row is about, and its cells with their defaults. */
function rowsOf(text: string): { names: string[]; cells: string[] }[] {
  const tables = text.match(/(^\|.*\n)+/gm) ?? [];
  return tables.flatMap((table) => {
    const [head = [], , ...rows] = table.trim().split("\n").map(cellsOf);
    if (head.at(-1) !== "default") return [];
    return rows.flatMap((row) => {
      const names = namesOf(row[0] ?? "");
      const given = row.at(-1) ?? "";
      const cells = given.split(", ");
      return names.length === 0
        ? []
        : [{ names, cells: cells.length === names.length ? cells : [given] }];
    });
  });
}

function cellsOf(line: string): string[] {
  return line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());
}

/** `a.b`, `.c` are a.b and a.c. A name that the operator chooses has no place of its own. */
function namesOf(cell: string): string[] {
  let parent = "";
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => {
    const whole = name.startsWith(".") ? `${parent}${name}` : name;
    parent = whole.replace(/\.[^.]*$/, "");
    return whole.replace(/\.NAME|\[\]/g, "");
  });
}

function checkDefault(path: string, schemas: readonly z.core.$ZodType[], cell = ""): void {
  const said = cell.replaceAll("`", "").replace(/:.*/, "");
  const absent = schemas.map((schema) => (schema as z.ZodType).safeParse(undefined));
  const isRequired = absent.every(({ success }) => !success);
  // Below something that may be left out, what is required there is not required.
  if (isRequired && path.split(".").length === 2) assert.equal(said, "required", `[${path}]`);
  const defaults = absent.flatMap(({ data }) =>
    ["string", "number", "boolean"].includes(typeof data) ? [String(data)] : [],
  );
  if (defaults.length > 0 && !said.includes(" "))
    assert.ok(defaults.includes(said), `[${path}] is ${defaults}, not ${said}`);
}
