import { readFileSync, writeFileSync } from "node:fs";
import type { Lab } from "../lab/lab.ts";
import type { Project } from "../lab/project.ts";
import type { Stage } from "./stage.ts";

interface World {
  readonly lab: Lab;
  readonly project: Project;
}

const CACHE = "/srv/cache";
const PORT = 8088;

/** prod's stack knows it by AWS SSM alone, its closures come from a cache on grind, and nothing there listens for ssh. */
export async function behindSsm(stage: Stage, { lab, project }: World): Promise<void> {
  stage.heading("prod is behind AWS SSM: its agent dials out, and nobody gets in");
  const [grind, prod] = [lab.host("grind"), lab.host("prod")];
  await grind.must(["mkdir", "-p", CACHE]);
  const server = ["caddy", "file-server", "--root", CACHE, "--listen", `:${PORT}`];
  stage.command(`${server.join(" ")}   # on grind`);
  await grind.must(["systemd-run", "--quiet", "--unit=cache", "--service-type=exec", ...server]);

  const connection = `connection: {kind: awsSsm, instanceId: ${prod.instanceId}, region: eu-central-1}`;
  const cache = `{pull: "http://${grind.address}:${PORT}", push: "file://${CACHE}"}`;
  const copy = `choiros:copy: {via: cache, caches: [${cache}]}`;
  const file = project.stackFile("prod");
  const settings = readFileSync(file, "utf8")
    .replace(/connection: \{.*\}/, connection)
    .replace(/choiros:copy: .*/, copy);
  writeFileSync(file, settings);
  for (const line of [connection, copy]) stage.note(`Pulumi.prod.yaml: ${line}`);
  const only = [connection, copy].every((line) => settings.includes(line));
  stage.check(
    "the stack of prod knows no way but SSM",
    only && !settings.includes("kind: ssh"),
    settings,
  );

  // Masked, or the next switch would start what the release wants.
  stage.command("systemctl mask --now ssh.service   # on prod");
  await prod.must(["systemctl", "mask", "--runtime", "--now", "ssh.service"]);
  await stillClosed(stage, { lab });
}

export async function stillClosed(stage: Stage, { lab }: Pick<World, "lab">): Promise<void> {
  const listening = await lab.host("prod").must(["ss", "-Hltn", "sport = :22"]);
  stage.check("nothing on prod listens for ssh", listening === "", listening);
}
