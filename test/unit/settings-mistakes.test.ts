import assert from "node:assert/strict";
import { changed, mistakesOf, type Raw } from "../support/changed-settings.ts";

const LINKS = {
  directory: "/opt/choiros/bin",
  files: { hypervisor: { component: "hypervisor", file: "bin/hypervisor" } },
};

describe("a mistake in the settings", () => {
  // Every row: where the mistake is, what stands there, and the beginning of the only line about it.
  const table: [string, Raw, RegExp][] = [
    [
      "a fallback without a machine id",
      changed(["host", "fallback"], { kind: "local" }),
      /^\[choiros:host\.machineId\] must be given where there is a \[host\.fallback\]/,
    ],
    [
      "a fallback that is the same way",
      changed(["host"], {
        ...{ name: "choiros-prod", connection: { kind: "local" }, fallback: { kind: "local" } },
        machineId: "0123456789abcdef0123456789abcdef",
      }),
      /^\[choiros:host\.fallback\] must be another way/,
    ],
    ["a host that is missing", changed(["host"], undefined), /^\[choiros:host\] must be given$/],
    ["a name that is missing", changed(["host", "name"], undefined), /^\[choiros:host\.name\] /],
    ["a name that is a number", changed(["host", "name"], 12), /^\[choiros:host\.name\] .*string/],
    [
      "an ssh host that is missing",
      changed(["host", "connection", "host"], undefined),
      /^\[choiros:host\.connection\.host\] /,
    ],
    [
      "a port that is text",
      changed(["host", "connection", "port"], "22"),
      /^\[choiros:host\.connection\.port\] .*number/,
    ],
    [
      "a connection of unknown kind",
      changed(["host", "connection", "kind"], "telnet"),
      /^\[choiros:host\.connection\.kind\] /,
    ],
    [
      "a machine id that is none",
      changed(["host", "machineId"], "prod"),
      /^\[choiros:host\.machineId\] must be the 32 digits/,
    ],
    [
      "an unknown setting at the top of host",
      changed(["host", "nmae"], "x"),
      /^\[choiros:host(\.nmae)?\] .*nmae/,
    ],
    [
      "a namespace of a probe that is neither unit nor path",
      changed(["health", 1, "namespace"], {}),
      /^\[choiros:health\[1\]\.namespace\] must name either a unit or a path/,
    ],
    [
      "a policy for failed units that is none",
      changed(["activation"], { unitFailures: "lenient" }),
      /^\[choiros:activation\.unitFailures\] .*tolerant.*strict/,
    ],
    [
      "fewer generations than the way back needs",
      changed(["activation"], { keep: { generations: 1 } }),
      /^\[choiros:activation\.keep\.generations\] must be at least 2/,
    ],
    [
      "data without a directory",
      changed(["activation"], { data: { directories: [] } }),
      /^\[choiros:activation\.data\.directories\] must name at least one directory/,
    ],
    [
      "data in a relative directory",
      changed(["activation"], { data: { directories: ["/opt/../data"] } }),
      /^\[choiros:activation\.data\.directories\[0\]\] must be an absolute path/,
    ],
    [
      "a time for backups that is none",
      changed(["activation"], { data: { directories: ["/opt/data"], backup: "daily" } }),
      /^\[choiros:activation\.data\.backup\] .*always.*schema.*never/,
    ],
    [
      "an unknown setting of a probe",
      changed(["health", 1, "urll"], "x"),
      /^\[choiros:health\[1\](\.urll)?\] .*urll/,
    ],
    ["a release from nowhere", changed(["release", "from"], "git"), /^\[choiros:release\.from\] /],
    [
      "a repository by a relative path",
      changed(["release", "repo"], "workspace"),
      /^\[choiros:release\.repo\] must be an absolute path/,
    ],
    ["a revision that is a number", changed(["release", "rev"], 12), /^\[choiros:release\.rev\] /],
    [
      "a revision with a newline",
      changed(["release", "rev"], "a\nb"),
      /^\[choiros:release\.rev\] must be a branch/,
    ],
    [
      "no hosts in the release",
      changed(["release", "hosts"], []),
      /^\[choiros:release\.hosts\] must name at least one host/,
    ],
    [
      "a host name that is a path",
      changed(["release", "hosts", 1], "../x"),
      /^\[choiros:release\.hosts\[1\]\] must be a plain name/,
    ],
    [
      "a host that is named twice",
      changed(["release", "hosts", 1], { name: "choiros-grind", system: "aarch64-linux" }),
      /^\[choiros:release\.hosts\] must name every host once/,
    ],
    [
      "a host of a system that is none",
      changed(["release", "hosts", 1], { name: "choiros-prod", system: "arm" }),
      /^\[choiros:release\.hosts\[1\]\.system\] must be a Nix system/,
    ],
    [
      "a host without its system, and not by its name alone",
      changed(["release", "hosts", 1], { name: "choiros-prod" }),
      /^\[choiros:release\.hosts\[1\]\] must be a name, or \{name, system\}/,
    ],
    [
      "a branch that is a revision",
      changed(["release", "branch"], "main^"),
      /^\[choiros:release\.branch\] must be a branch such as main/,
    ],
    [
      "a manifest key by a relative path",
      changed(["release", "manifestKeyFile"], "key"),
      /^\[choiros:release\.manifestKeyFile\] must be an absolute path/,
    ],
    [
      "data without a name",
      changed(["release", "changesSchema"], ["a.db", ""]),
      /^\[choiros:release\.changesSchema\[1\]\] /,
    ],
    [
      "a time of health that is text",
      changed(["release", "minHealthySeconds"], "1h", "prod"),
      /^\[choiros:release\.minHealthySeconds\] .*number/,
    ],
    [
      "a manifest without its file",
      changed(["release"], { from: "manifest" }, "prod"),
      /^\[choiros:release\.file\] /,
    ],
    [
      "a pin that is a branch",
      changed(["pin"], { rev: "main" }),
      /^\[choiros:pin\.rev\] must be a full commit id/,
    ],
    [
      "a pinned revision on a stack that takes its release",
      changed(["pin"], { rev: "0".repeat(40) }, "prod"),
      /^\[choiros:pin\] must be \{rev\} on a stack that builds, and \{manifest\} on one that takes/,
    ],
    [
      "a pinned manifest on a stack that builds",
      changed(["pin"], { manifest: "release.json" }),
      /^\[choiros:pin\] must be \{rev\} on a stack that builds/,
    ],
    [
      "a pin of nothing",
      changed(["pin"], {}),
      /^\[choiros:pin\] must be \{rev: COMMIT\} or \{manifest: FILE\}/,
    ],
    [
      "a pin with a setting that there is not",
      changed(["pin"], { manifest: "release.json", file: "x" }, "prod"),
      /^\[choiros:pin\.file\] There is no setting "file"/,
    ],
    [
      "a builder that is missing",
      changed(["release", "builder"], undefined),
      /^\[choiros:release\.builder\] /,
    ],
    [
      "a signing key by a relative path",
      changed(["release", "signingKeyFile"], "key"),
      /^\[choiros:release\.signingKeyFile\] must be an absolute path/,
    ],
    [
      "a limit of no time",
      changed(["release", "buildSeconds"], 0),
      /^\[choiros:release\.buildSeconds\] /,
    ],
    [
      "another stack that is an option",
      changed(["release", "stack"], "--help", "prod"),
      /^\[choiros:release\.stack\] must be a stack name/,
    ],
    [
      "an unknown way to copy",
      changed(["copy", "via"], "carrier-pigeon"),
      /^\[choiros:copy\.via\] must be one of built-here, direct, relay, cache$/,
    ],
    [
      "a direct copy without its target",
      changed(["copy", "to"], undefined, "prod"),
      /^\[choiros:copy\.to\] /,
    ],
    [
      "a builder given to the copy",
      changed(["copy", "builder"], { kind: "local" }, "prod"),
      /^\[choiros:copy(\.builder)?\] .*builder/,
    ],
    [
      "a mode that we do not have",
      changed(["activation"], { mode: "yolo" }),
      /^\[choiros:activation\.mode\] must be one of switch, immediate, boot, test, dry-activate$/,
    ],
    [
      "a strategy that we do not have",
      changed(["activation"], { strategy: "push" }),
      /^\[choiros:activation\.strategy\] /,
    ],
    [
      "the strategy links without links",
      changed(["activation"], { strategy: "links" }),
      /^\[choiros:activation\.links\] must be given where \[activation\.strategy\] is links/,
    ],
    ...(
      [
        ["a directory that is no absolute path", { directory: "opt/bin" }, "directory"],
        ["a directory that leads up", { directory: "/opt/../etc" }, "directory"],
        ["no link at all", { files: {} }, "files"],
        [
          "a link whose file leads up",
          { files: { x: { component: "hypervisor", file: "../x" } } },
          "files.x.file",
        ],
        [
          "a link whose file is absolute",
          { files: { x: { component: "hypervisor", file: "/bin/x" } } },
          "files.x.file",
        ],
        ["a unit that is none", { restart: ["hypervisor"] }, "restart[0]"],
      ] as const
    ).map(([what, wrong, where]): [string, Raw, RegExp] => [
      what,
      changed(["activation"], { links: { ...LINKS, ...wrong } }),
      new RegExp(`^\\[choiros:activation\\.links\\.${where.replace(/[[\].]/g, "\\$&")}\\] must`),
    ]),
    [
      "the strategy flake without a checkout",
      changed(["activation"], { strategy: "flake" }),
      /^\[choiros:activation\.checkout\] must be given where \[activation\.strategy\] is flake/,
    ],
    [
      "a checkout that nobody asks for",
      changed(["activation"], { checkout: { directory: "/opt/x" } }),
      /^\[choiros:activation\.checkout\] must be given .*, and only there/,
    ],
    [
      "a checkout in a directory that means something in a flake reference",
      changed(["activation"], { strategy: "flake", checkout: { directory: "/opt/x#y" } }),
      /^\[choiros:activation\.checkout\.directory\] must be an absolute path/,
    ],
    [
      "a checkout whose name is an expression",
      changed(["activation"], {
        strategy: "flake",
        checkout: { directory: "/opt/x", name: 'a".b' },
      }),
      /^\[choiros:activation\.checkout\.name\] must be a plain name/,
    ],
    [
      "a link whose name is a path",
      changed(["activation"], {
        links: { ...LINKS, files: { "a/b": LINKS.files.hypervisor } },
      }),
      /^\[choiros:activation\.links\.files.*\] /,
    ],
    [
      "a trial of links, which no reboot takes back",
      changed(["activation"], { mode: "test", links: LINKS }),
      /^\[choiros:activation\.mode\] must not be boot or test where there are links/,
    ],
    [
      "a time that is text",
      changed(["activation"], { timeouts: { switch: "5m" } }),
      /^\[choiros:activation\.timeouts\.switch\] must be of the type number, and is a string$/,
    ],
    [
      "an empty health contract",
      changed(["health"], []),
      /^\[choiros:health\] must hold at least one probe/,
    ],
    ["a health contract that is missing", changed(["health"], undefined), /^\[choiros:health\] /],
    [
      "a probe without a name",
      changed(["health", 0, "name"], undefined),
      /^\[choiros:health\[0\]\.name\] /,
    ],
    [
      "a probe of unknown kind",
      changed(["health", 2, "kind"], "ping"),
      /^\[choiros:health\[2\]\.kind\] /,
    ],
    [
      "a URL of a file",
      changed(["health", 1, "url"], "file:///etc/passwd"),
      /^\[choiros:health\[1\]\.url\] must be an http/,
    ],
  ];
  for (const [what, raw, line] of table) {
    it(`${what}: is named`, () => {
      const mistakes = mistakesOf(raw);
      assert.equal(mistakes.length, 1, mistakes.join("\n"));
      assert.match(mistakes[0] ?? "", line);
    });
  }
});
