// The limit of a log: `cat` of a file read from its pipe in Node and thrown away. Prints bytes a second.
import { spawn } from "node:child_process";

const begun = performance.now();
let bytes = 0;
const child = spawn("cat", [process.argv[2]], { stdio: ["ignore", "pipe", "ignore"] });
child.stdout.on("data", (data) => {
  bytes += data.length;
});
await new Promise((resolve) => child.on("close", resolve));
console.log((bytes / (performance.now() - begun)) * 1000);
