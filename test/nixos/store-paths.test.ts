import assert from "node:assert/strict";
import { ask, refusal } from "./nix.ts";

const checked = (module: string) =>
  `host [ { nixos-promote.storePaths.enable = true; ${module} } ]`;

describe("the assertion that services are run from the store", () => {
  it("names each service that still points at installed binaries, wherever it does so", () => {
    const said = refusal(
      `whole (${checked(`systemd.services = {
        hypervisor.serviceConfig.ExecStart = "/opt/choiros/bin/hypervisor";
        in-list.serviceConfig.ExecStartPre = [ "/bin/true" "+/opt/choiros/bin/check --all" ];
        in-script.script = "exec /opt/choiros/bin/sandbox";
        in-environment.environment.RUNNER = "/opt/choiros/bin/runner";
        fine.serviceConfig.ExecStart = "/nix/store/x/bin/fine --state /opt/choiros/data";
      };`)})`,
    );
    assert.match(
      said,
      /Not run from the store, but from \/opt\/choiros\/bin: hypervisor\.service, in-environment\.service, in-list\.service, in-script\.service\. Point ExecStart at the package/,
    );
  });

  it("looks into containers", () => {
    const inside = checked(
      `containers.old.config.systemd.services.sandbox.serviceConfig.ExecStart = "/opt/choiros/bin/sandbox";`,
    );
    assert.match(refusal(`whole (${inside})`), /sandbox\.service in the container old/);
  });

  it("comes with the hypervisor, and can be taken away for a bridge of links", () => {
    const bridge = (more: string) =>
      `host [ { choiros.hypervisor = { enable = true; package = package "hypervisor"; };
                systemd.services.hypervisor.serviceConfig.ExecStart = lib.mkForce "/opt/choiros/bin/hypervisor"; ${more} } ]`;
    assert.match(refusal(`whole (${bridge("")})`), /hypervisor\.service/);
    ask(`whole (${bridge("nixos-promote.storePaths.forbidden = [ ];")})`);
  });
});
