import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { ask, syntaxError } from "./nix.ts";

const root = new URL("../..", import.meta.url).pathname;

describe("the Nix source", () => {
  it("can be read by Nix, every file of it", () => {
    const files = globSync("{*.nix,{nixos,lab,test}/**/*.nix}", { cwd: root });
    assert.ok(files.length > 50, `${files.length} files`);
    assert.equal(syntaxError(files.map((file) => `${root}${file}`)), "");
    assert.match(syntaxError([`${root}README.md`]), /syntax error/);
  });

  it("offers every module by itself, and all of them together", () => {
    const files = globSync("nixos/modules/*.nix", { cwd: root }).map((file) =>
      file.replace(/^.*\/(.*)\.nix$/, "$1"),
    );
    const offered = ask<Record<string, string>>(
      `lib.mapAttrs (_: m: baseNameOf (toString (builtins.head m.imports))) nixosModules`,
    );
    const camel = (name: string) => name.replace(/-./g, (c) => (c[1] ?? "").toUpperCase());
    const expected = files
      .filter((name) => name !== "default")
      .map((name) => [camel(name), `${name}.nix`] as const);
    assert.deepEqual(offered, Object.fromEntries([...expected, ["default", "modules"]]));
    for (const [name] of expected) {
      // Evaluates by itself, without the others.
      ask(`whole (lib.nixosSystem { modules = [ nixosModules.${name} ]; }).config`);
    }
    const together = ask<string[]>(
      `map (m: baseNameOf (toString m)) (import ${root}nixos/modules).imports`,
    );
    assert.deepEqual(together.sort(), expected.map(([, file]) => file).sort());
  });

  it("passes `nix flake check`", function () {
    this.timeout(60_000);
    const argv = ["--extra-experimental-features", "nix-command flakes", "flake", "check"];
    const ran = spawnSync("nix", [...argv, `path:${root}nixos`], { encoding: "utf8" });
    assert.equal(ran.status, 0, ran.stderr);
  });

  it("changes nothing on a host that enables nothing", () => {
    const bare = `(lib.nixosSystem { modules = [ { networking.hostName = "host"; } ]; }).config`;
    assert.equal(ask<string>("whole (host [ ])"), ask<string>(`whole ${bare}`));
  });
});
