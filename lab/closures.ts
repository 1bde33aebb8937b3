// Closures to copy, put into the store of a lab host as if they had been built there: made by the same numbers each time.
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import type { LabHost } from "./lab.ts";

/** A path of a closure: its bytes, and the earlier ones that it refers to. The last one refers to all, through others. */
export interface Path {
  readonly bytes: number;
  readonly references: readonly number[];
}

export const KEY = "/var/lib/nixos-promote/keys/lab-1.secret";

export function onePath(bytes: number): Path[] {
  return [{ bytes, references: [] }];
}

export function manySmall(count: number): Path[] {
  const small = Array.from({ length: count - 1 }, () => ({ bytes: 6000, references: [] }));
  return [...small, { bytes: 6000, references: [...small.keys()] }];
}

/**
 * As of a NixOS system: under half of the paths are programs and libraries and hold nearly all bytes, few of them
 * most; all stand on a few common ones. The others are units and files of a kilobyte that refer to programs.
 */
export function likeNixos(count: number, bytes: number): Path[] {
  const { random, normal } = numbers(2);
  const programs = Math.round(count * 0.45);
  const weights = Array.from({ length: count }, (_, i) =>
    i < programs ? Math.exp(2 * normal()) : Math.exp(normal()) / 2000,
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const referencesOf = (i: number): number[] => {
    if (i === count - 1) return Array.from({ length: i }, (_, j) => j);
    if (i >= programs) {
      const used = Array.from({ length: 1 + random() * 5 }, () => programs * random() ** 2);
      return random() < 0.3 ? [...used, programs + (i - programs) * random()] : used;
    }
    if (i <= 3) return i === 0 ? [] : [i - 1];
    if (random() < 0.2) return [];
    const common = Math.min(60, 1 + Math.exp(0.8 * normal() + 1.2));
    const used = Array.from({ length: common }, () => i * random() ** 3);
    return random() < 0.4 ? [...used, Math.max(0, i - 1 - random() * 60)] : used;
  };
  return weights.map((weight, i) => ({
    bytes: Math.max(200, Math.round((weight / total) * bytes)),
    references: [...new Set(referencesOf(i).map(Math.floor))].filter((j) => j < i),
  }));
}

/** Writes, registers and, unless told otherwise, signs it; answers its paths, the last one last. */
export async function put(
  host: LabHost,
  name: string,
  closure: readonly Path[],
  signed = true,
): Promise<string[]> {
  const content = contents(closure.reduce((sum, { bytes }) => sum + bytes, 0));
  const paths = closure.map((_, i) => `/nix/store/${hashOf(`${name} ${i}`)}-${name}-${i}`);
  for (const [i, { bytes }] of closure.entries()) {
    const files = Math.max(1, Math.min(200, Math.round(bytes / 80_000)));
    const directory = `${host.root}${paths[i]}/share`;
    mkdirSync(directory, { recursive: true });
    for (let file = 0; file < files; file++)
      writeFileSync(`${directory}/${file}`, content(Math.ceil(bytes / files)));
  }
  const registrations = closure.map(({ references }, i) =>
    [paths[i], "", references.length, ...references.map((j) => paths[j])].join("\n"),
  );
  const options = { input: `${registrations.join("\n")}\n`, timeout: 600_000 };
  await host.must(["nix-store", "--register-validity"], options);
  const sign = ["nix", "store", "sign", "--recursive", "--key-file", KEY, paths.at(-1) ?? ""];
  if (signed) await host.must(sign, { timeout: 600_000 });
  return paths;
}

/** Half random bytes, half words: zstd makes it half as large, as it does with programs. */
function contents(total: number): (bytes: number) => Buffer {
  const size = Math.max(1 << 20, Math.min(total, 1 << 25));
  const noise = randomBytes(size);
  const { random } = numbers(3);
  const words = Array.from({ length: 4000 }, (_, i) => hashOf(`${i}`).slice(0, 2 + (i % 9)));
  let text = "";
  while (text.length < size) text += `${words[Math.floor(4000 * random() ** 2)]} `;
  const spoken = Buffer.from(text, "latin1");
  return (bytes) => {
    const pool = random() < 0.5 ? noise : spoken;
    const parts: Buffer[] = [];
    for (let left = bytes; left > 0; ) {
      const start = Math.floor(random() * (size / 2));
      const part = pool.subarray(start, Math.min(size, start + left));
      parts.push(part);
      left -= part.length;
    }
    return Buffer.concat(parts);
  };
}

/** The same ones each time. */
function numbers(seed: number): { random: () => number; normal: () => number } {
  let state = seed;
  const random = () => {
    state = (state * 1103515245 + 12345) & 0x7fffffff;
    return state / 0x7fffffff;
  };
  const normal = () =>
    Math.sqrt(-2 * Math.log(random() || 1e-9)) * Math.cos(2 * Math.PI * random());
  return { random, normal };
}

const LETTERS = "0123456789abcdfghijklmnpqrsvwxyz";

function hashOf(text: string): string {
  const bytes = createHash("sha256").update(text).digest();
  return [...bytes].map((byte) => LETTERS[byte & 31]).join("");
}
