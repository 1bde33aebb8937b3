/** Writes docs/nixos-modules.md: every option of the modules, from the options themselves. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { z } from "zod";

const root = fileURLToPath(new URL("..", import.meta.url));
export const DOCUMENT = `${root}docs/nixos-modules.md`;

const Options = z.array(
  z.object({
    name: z.string(),
    description: z.string(),
    type: z.string(),
    default: z.string().nullable(),
    example: z.string().nullable(),
  }),
);
type Option = z.infer<typeof Options>[number];

const INTRODUCTION = `# Options of the NixOS modules

Made from the options themselves by \`npm run document\`. What each module is for: [NixOS modules](../nixos/README.md).
An option without a default has to be set where its module is used.`;

export function document(): string {
  return [INTRODUCTION, ...sections(options()).map(section)].join("\n\n").concat("\n");
}

/** By evaluation, with what the lab has in the place of nixpkgs. */
function options(): Option[] {
  const expression = `let nixos = import ${root}lab/nixos/lib; in import ${root}nixos/options.nix nixos.nixosSystem nixos.lib`;
  const args = ["--readonly-mode", "--eval", "--strict", "--json", "--expr", expression];
  const ran = spawnSync("nix-instantiate", args, { encoding: "utf8", maxBuffer: 1 << 26 });
  if (ran.error !== undefined) throw ran.error;
  if (ran.status !== 0) throw new Error(`The options could not be evaluated:\n${ran.stderr}`);
  return Options.parse(JSON.parse(ran.stdout));
}

/** `nixos-promote.gc.enable` belongs to `nixos-promote.gc`, which is one module. */
function sections(all: readonly Option[]): [string, Option[]][] {
  const byModule = new Map<string, Option[]>();
  for (const option of all) {
    const module = option.name.split(".").slice(0, 2).join(".");
    byModule.set(module, [...(byModule.get(module) ?? []), option]);
  }
  return [...byModule].sort(([a], [b]) => (a < b ? -1 : 1));
}

function section([module, list]: [string, Option[]]): string {
  const rows = list.map((option) => row(module, option));
  return [
    `## \`${module}\``,
    "",
    "| option | meaning | type | default |",
    "|---|---|---|---|",
    ...rows,
  ].join("\n");
}

function row(
  module: string,
  { name, description, type, default: fallback, example }: Option,
): string {
  const short = name === module ? name : name.slice(module.length + 1);
  const such = example === null || example === "true" ? "" : ` Such as ${code(example)}.`;
  const cells = [
    code(short),
    `${description}${such}`,
    type,
    fallback === null ? "" : code(fallback),
  ];
  return `| ${cells.map(cell).join(" | ")} |`;
}

const code = (text: string) => (text.includes("`") ? `\`\` ${text} \`\`` : `\`${text}\``);

/** A cell is one line, and its bars are no borders. */
const cell = (text: string) => text.replace(/\s+/g, " ").replaceAll("|", "\\|");

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(DOCUMENT, document());
