// Writes a file of so many lines of 100 bytes. In a process of its own: its garbage is not to hide what a master needs.
import { closeSync, openSync, writeSync } from "node:fs";

const [file, count] = [process.argv[2], Number(process.argv[3])];
const text = "the quick brown fox jumps over the lazy dog ".repeat(3).slice(0, 90);
const out = openSync(file, "w");
for (let i = 0; i < count; i += 10_000) {
  let lines = "";
  for (let j = i; j < i + 10_000; j += 1) lines += `${String(j).padStart(8)} ${text}\n`;
  writeSync(out, lines);
}
closeSync(out);
