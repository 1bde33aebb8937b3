import { readFileSync, writeFileSync } from "node:fs";
import type { Lab } from "../lab/lab.ts";
import type { Project } from "../lab/project.ts";
import type { Stage } from "./stage.ts";

/** prod's stack knows it by AWS SSM alone, and ssh takes the operator no more. */
export async function behindSsm(
  stage: Stage,
  { lab, project }: { lab: Lab; project: Project },
): Promise<void> {
  stage.heading("prod is behind AWS SSM: its agent dials out, and nobody gets in");
  const prod = lab.host("prod");
  const connection = `connection: {kind: awsSsm, instanceId: ${prod.instanceId}, region: eu-central-1}`;
  const file = project.stackFile("prod");
  const settings = readFileSync(file, "utf8").replace(/connection: \{.*\}/, connection);
  writeFileSync(file, settings);
  stage.note(`Pulumi.prod.yaml: ${connection}`);

  // Closures come by ssh, from grind alone.
  const rule = `AllowUsers root@${lab.host("grind").address}`;
  stage.command(
    `echo ${rule} >/etc/ssh/sshd_config.d/closed.conf; systemctl restart ssh   # on prod`,
  );
  const close = `printf '%s\\n' "$1" >/etc/ssh/sshd_config.d/closed.conf; systemctl restart ssh`;
  await prod.must(["sh", "-euc", close, "sh", rule]);

  stage.command("ssh choiros-prod true");
  const { code, stderr } = await prod.ssh(["true"]);
  stage.check("ssh does not take the operator", code === 255, stderr);
  const only = settings.includes(connection) && !settings.includes("kind: ssh");
  stage.check("the stack of prod knows no way but SSM", only, settings);
}
