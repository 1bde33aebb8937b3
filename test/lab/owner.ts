// A program that has a lab and does not end by itself: node owner.ts INSTANCE [ssm]
import { openLab } from "../../lab/lab.ts";

const [instance = "", ssm] = process.argv.slice(2);
await openLab({ instance, ssm: ssm === "ssm" });
console.log("open");
setInterval(() => {}, 1_000);
