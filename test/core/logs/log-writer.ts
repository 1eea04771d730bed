// A process for log-store-crash.test.ts to kill: writes a log as fast as it may, and tells how many lines readers are sure to see.
import { createFileLogStore } from "../../../core/src/logs/file-log-store.ts";

const [folder, key, fence, pace] = process.argv.slice(2) as [string, string, string, string];
const log = createFileLogStore({ folder, publishAfter: 10 }).create(key, { fence: Number(fence), capBytes: 1e9 });
let number = 0;
for (let round = 0; ; round += 1) {
  const count = pace === "fast" ? 5_000 : 3;
  let chunk = "";
  for (let line = 0; line < count; line += 1) chunk += `line ${number++} ${"x".repeat(number % 60)}\n`;
  await log.append("stdout", Buffer.from(`${chunk}begun`), round);
  if (round % 7 === 0) {
    await log.append("stdout", Buffer.from("\n"), round);
    await log.flush();
    process.stdout.write(`${log.totals.lines}\n`);
  } else await log.append("stdout", Buffer.from("\n"), round);
  if (pace !== "fast") await new Promise((resolve) => setTimeout(resolve, 1));
}
