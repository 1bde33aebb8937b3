// A program that has a lab and does not end by itself: node owner.ts INSTANCE
import { openLab } from "../../lab/lab.ts";

const [instance = ""] = process.argv.slice(2);
await openLab({ instance });
console.log("open");
setInterval(() => {}, 1_000);
