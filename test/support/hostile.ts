import fc from "fast-check";

/** Texts that have broken shells, option parsers and line protocols before. */
export const HOSTILE = [
  "-oProxyCommand=touch /tmp/owned",
  "-F/tmp/other",
  "--",
  "a b",
  " leading",
  "a\nb",
  "a\rb",
  "a\tb",
  "a\u0000b",
  "a\u001b[31m",
  'a"b',
  "a'b",
  "a`id`",
  "$(id)",
  "$HOME",
  "a;id",
  "a|id",
  "a&id",
  "a>b",
  "a\\b",
  "a*b",
  "a\u2028b",
  "größe",
  "🦊",
] as const;

/** Any text that a program may be handed: all of Unicode, and much of what shells care for. */
export const anyText = fc.oneof(
  fc.constantFrom(...HOSTILE),
  fc.string({ unit: "binary", maxLength: 60 }),
  fc
    .array(
      fc.constantFrom("\\", "\n", "\t", "\r", "\\n", "$", "`", "'", '"', "%", ".", " ", "-", "a"),
      {
        maxLength: 20,
      },
    )
    .map((parts) => parts.join("")),
);

/** The same without NUL, which no argument of a program can hold. */
export const sendableText = anyText.map((text) => text.replaceAll("\0", ""));
