// The limit of a builder of small commands: a small Node process that spawns `true`, 4 at a time.
import { spawn } from "node:child_process";

const count = Number(process.argv[2]);
let next = 0;
const begun = performance.now();
await Promise.all(
  [1, 2, 3, 4].map(async () => {
    while (next < count) {
      next += 1;
      await new Promise((resolve) => spawn("true").on("close", resolve));
    }
  }),
);
console.log((count / (performance.now() - begun)) * 1000);
