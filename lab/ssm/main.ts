// The SSM endpoint of one lab, as a process: node main.ts INSTANCE DIRECTORY. It ends with the lab.
import { renameSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Instance } from "../instance.ts";
import { identify } from "../process.ts";
import { credentials, recordFile } from "./record.ts";
import { Endpoint } from "./server.ts";

const [name = ""] = process.argv.slice(2);
const instance = new Instance(name);
const { subnet } = instance.read() ?? { subnet: "127.0.0" };
const endpoint = new Endpoint(instance, credentials(instance));
const ports = await endpoint.listen(`${subnet}.1`);
const file = recordFile(instance);
writeFileSync(`${file}.new`, JSON.stringify({ ...ports, process: identify(process.pid) }));
renameSync(`${file}.new`, file);

while (instance.read()?.subnet === subnet) {
  await endpoint.supervise(ports.agentPort);
  await sleep(300);
}
process.exit(0);
