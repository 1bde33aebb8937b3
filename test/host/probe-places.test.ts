// Where probes are tried, on a real host: in its containers, where a unit is active, and by how many processes.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { Verdict } from "../../contract/verdict.ts";
import { type More, Prod } from "./prod.ts";

describe("probes on a host", function () {
  this.timeout(120_000);
  const prod = Prod.onceSettled();

  /** Activates what runs already, with these probes instead of the usual ones. */
  async function probe(...probes: More[]): Promise<Verdict> {
    const full = probes.map((given, index) => ({
      ...{ name: `p${index}`, intervalSeconds: 0.2, deadlineSeconds: 1 },
      ...given,
    }));
    return prod.activate("a", { probes: full });
  }
  const answers = (said: Verdict) => said.probes.map(({ ok, answer }) => `${ok}: ${answer}`);

  it("look into a container's network by its unit or by a path, without its tool", async () => {
    const live = { unit: "container@sandbox-live.service" };
    const url = "http://127.0.0.1:8080/health";
    const said = await probe(
      { kind: "socket", port: 8080, namespace: live },
      { kind: "socket", port: 8080, namespace: { path: "/run/netns/sandbox-dev" } },
      { kind: "http", url, body: "sandbox-live", namespace: live },
      // Not on the host itself; so it was not the host that answered.
      { kind: "socket", port: 8080, required: false },
    );
    assert.deepEqual(answers(said), [
      "true: listening on port 8080",
      "true: listening on port 8080",
      "true: 200",
      "false: undecided when the waiting ended; last answer: nothing listens on port 8080",
    ]);
  });

  it("find the container behind a process that itself stays in the host's network", async () => {
    const argv = ["systemd-run", "--unit=nspawn-like", "--service-type=exec", "sh", "-c"];
    await prod.host.must([...argv, "ip netns exec sandbox-live sleep 600; true"]);
    try {
      const namespace = { unit: "nspawn-like.service" };
      const said = await probe({ kind: "socket", port: 8080, namespace });
      assert.deepEqual(answers(said), ["true: listening on port 8080"]);
    } finally {
      await prod.host.must(["systemctl", "stop", "nspawn-like"]);
    }
    const gone = await probe({
      kind: "socket",
      port: 1,
      namespace: { unit: "nspawn-like.service" },
    });
    assert.match(
      gone.reason ?? "",
      /nspawn-like\.service has no process, so it has no network namespace/,
    );
  });

  it("are skipped, and say so, while their unit is inactive; a failed unit is no excuse", async () => {
    const closed = { kind: "socket", port: 1 };
    const said = await probe(
      { ...closed, onlyIfActive: "rescue.service" },
      { ...closed, onlyIfActive: "vm-of-nobody.service" },
      { kind: "unit", unit: "rescue.service", onlyIfActive: "rescue.service" },
    );
    assert.deepEqual(answers(said), [
      "true: skipped: rescue.service is inactive",
      "true: skipped: there is no unit vm-of-nobody.service",
      "true: skipped: rescue.service is inactive",
    ]);
    const asked = await probe({ ...closed, onlyIfActive: "caddy.service" });
    assert.match(asked.reason ?? "", /nothing listens on port 1\./);
    // It fails while the probe is waited for: a switch forgets what had failed before.
    await prod.host.must(["systemd-run", "--unit=vm-of-bob", "sh", "-c", "sleep 3; exit 1"]);
    const failed = await probe({
      ...closed,
      onlyIfActive: "vm-of-bob.service",
      deadlineSeconds: 6,
    });
    assert.match(failed.reason ?? "", /nothing listens on port 1\./);
    await prod.host.exec(["systemctl", "reset-failed"]);
  });

  it("start two processes for a try, three for a unit", async () => {
    const parts = ["json", "lib", "units", "probe-place", "probe-kinds", "probe", "links"];
    const directory = new URL("../../host/", import.meta.url);
    const script = parts.map((part) => readFileSync(new URL(`${part}.sh`, directory), "utf8"));
    const { stdout } = await prod.host.exec(["bash", "-c", `${script.join("\n")}\n${COUNT}`]);
    const [http = 0, unit = 0, socket = 0, command = 0] = stdout.trim().split(" ").map(Number);
    // One more with http: the hypervisor answers every request in a thread of its own.
    assert.deepEqual(
      { http, unit, socket, command },
      { http: 2 + 1, unit: 3, socket: 2, command: 2 },
    );
  });
});

// The process numbers of the host tell how many were started; other services start some too, so the least of ten tries counts.
const COUNT = `
RUN=/run/count p=probes.0 i=0 healthy='' limit=5.000 file=/run/count/0 toplevel=$(readlink -f /run/current-system)
mkdir -p $RUN
place=() probes_closure=$(nix-store -qR "$toplevel")
arg=([probes.0.url]=http://127.0.0.1:9090/health [probes.0.body]=healthy [probes.0.unit]=hypervisor.service [probes.0.identity]=true
  [probes.0.port]=9090 [probes.0.argv.length]=1 [probes.0.argv.0]=true)
last() { read -r REPLY </proc/sys/kernel/ns_last_pid; }
for kind in http unit socket command; do
  least=99
  for n in 1 2 3 4 5 6 7 8 9 10; do
    last && before=$REPLY
    try_$kind || least=-99
    last
    if ((REPLY - before < least)); then least=$((REPLY - before)); fi
  done
  printf '%s ' "$least" >&3
done`;
