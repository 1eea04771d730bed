// `npm run bench [-- --only NAME --json FILE]`: runs every test/bench/*.bench.ts, one after another, each in a process
// of its own, and prints each figure beside its limit. Ends with 1 if a figure is missed or a benchmark failed.
import { spawn } from "node:child_process";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Row } from "./bench.ts";

type Answer = { rows: Row[] } | { failed: string };
type NamedRow = Row & { bench: string };

const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [] },
    json: { type: "string" },
    root: { type: "string", default: import.meta.dirname },
    "time-limit": { type: "string", default: "900" },
  },
});
const child = fileURLToPath(new URL("./run-one.ts", import.meta.url));
const files = (await readdir(options.root)).filter((file) => file.endsWith(".bench.ts")).sort();
const rows: NamedRow[] = [];
const failures: string[] = [];

for (const file of files) {
  const name = file.replace(/\.bench\.ts$/, "");
  if (options.only.length > 0 && !options.only.some((part) => name.includes(part))) continue;
  console.error(`${name} …`);
  const answer = await runOne(join(options.root, file));
  if ("failed" in answer) failures.push(`${name}: ${answer.failed}`);
  else rows.push(...answer.rows.map((row) => ({ bench: name, ...row })));
}

if (options.json) await writeFile(options.json, `${JSON.stringify(rows, null, 2)}\n`);
if (rows.length > 0) console.log(table(rows));
for (const failure of failures) console.log(`FAILED ${failure}`);
if (rows.length + failures.length === 0) console.log("No benchmark matches.");
process.exitCode = rows.length > 0 && failures.length === 0 && rows.every(({ met }) => met) ? 0 : 1;

function runOne(file: string): Promise<Answer> {
  return new Promise((resolve) => {
    const running = spawn(process.execPath, ["--conditions=source", "--expose-gc", child, file], {
      stdio: ["ignore", 2, 2, "ipc"],
      detached: true,
    });
    let answer: Answer = { failed: "it ended without an answer" };
    const end = () => {
      try {
        process.kill(-(running.pid as number), "SIGKILL");
      } catch {
        // It ended by itself.
      }
    };
    const timer = setTimeout(() => {
      answer = { failed: `it took longer than ${options["time-limit"]} s` };
      end();
    }, Number(options["time-limit"]) * 1000);
    const stop = () => {
      end();
      process.exit(130);
    };
    process.once("SIGINT", stop);
    running.on("message", (message) => {
      answer = message as Answer;
    });
    running.once("error", (error) => {
      answer = { failed: error.message };
    });
    running.once("close", (code) => {
      clearTimeout(timer);
      process.off("SIGINT", stop);
      end();
      if ("rows" in answer && code !== 0) answer = { failed: `it ended with code ${code}` };
      resolve(answer);
    });
  });
}

function table(all: NamedRow[]): string {
  const cells = all.map(({ bench, figure, value, unit, limit, ratio, goal, met }) => [
    bench,
    figure,
    `${number(value)} ${unit}`,
    limit === null ? "–" : `${number(limit)} ${unit}`,
    ratio === null ? "–" : ratio.toFixed(3),
    goal,
    met ? "yes" : "MISSED",
  ]);
  const lines = [["bench", "figure", "value", "limit", "ratio", "goal", "met"], ...cells];
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  const isNumber = (column: number) => column >= 2 && column <= 4;
  return lines
    .map((line) =>
      line
        .map((cell, column) =>
          isNumber(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function number(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
