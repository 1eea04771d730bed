// `npm test [-- FILTER… --json FILE --jobs N --root FOLDER]`: runs every test file below test/ in a process of its own,
// as many at once as there are cores. The last line it prints is `N passed, N failed` (`, N skipped` if any).
import { writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { discover, type FoundFile } from "./discover.ts";
import { SHARED_POSTGRES, startPostgres } from "./postgres.ts";
import { type FileResult, runTestFile } from "./test-file.ts";

const { values: options, positionals: filters } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "string" },
    jobs: { type: "string", default: String(availableParallelism()) },
    root: { type: "string", default: "test" },
  },
});

const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => interrupted.abort(new Error(`${signal} arrived`)));
}

const files = await discover(options.root, ".test.ts", filters);
const results = await runAll(files, Math.max(1, Number(options.jobs) || 1));
const count = (key: "passed" | "failed" | "skipped") => results.reduce((all, result) => all + result[key], 0);
const totals = { passed: count("passed"), failed: count("failed"), skipped: count("skipped") };

if (options.json) {
  const lines = results.map(({ output, ...rest }) => (rest.failed > 0 ? { ...rest, output } : rest));
  await writeFile(options.json, `${JSON.stringify({ ...totals, files: lines }, null, 2)}\n`);
}
const failing = results.filter(({ failed }) => failed > 0);
if (failing.length > 0) console.log(`\nFailed: ${failing.map(({ file }) => file).join(", ")}`);
if (interrupted.signal.aborted) console.log("\nInterrupted: not all tests were run.");
else if (files.length === 0)
  console.log(`No test file below ${options.root} matches ${filters.join(" ") || "*.test.ts"}.`);
else if (totals.passed + totals.failed === 0) console.log("\nNo test passed, so this run shows nothing.");
const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : "";
console.log(`${totals.passed} passed, ${totals.failed} failed${skipped}`);
process.exitCode = interrupted.signal.aborted ? 130 : totals.failed > 0 || totals.passed === 0 ? 1 : 0;

async function runAll(all: FoundFile[], jobs: number): Promise<FileResult[]> {
  const queue = [...all];
  const done: FileResult[] = [];
  // Files that need no database do not wait for it. Where it cannot start, each test that wants one says so itself.
  const shared = all.some(({ usesPostgres }) => usesPostgres) ? startPostgres().catch(() => undefined) : undefined;
  const work = async () => {
    for (let next = queue.shift(); next && !interrupted.signal.aborted; next = queue.shift()) {
      const url = next.usesPostgres ? (await shared)?.url : undefined;
      const result = await runTestFile(next, url ? { [SHARED_POSTGRES]: url } : {}, interrupted.signal);
      done.push(result);
      tell(result);
    }
  };
  try {
    await Promise.all(Array.from({ length: jobs }, work));
  } finally {
    await (await shared)?.stop();
  }
  return done.sort((a, b) => (a.file < b.file ? -1 : 1));
}

function tell({ file, passed, failed, skipped, seconds, problems, output }: FileResult): void {
  const counts = [`${passed} passed`];
  if (failed > 0) counts.push(`${failed} failed`);
  if (skipped > 0) counts.push(`${skipped} skipped`);
  console.log(`${failed > 0 ? "FAIL" : "ok  "} ${file}  ${counts.join(", ")}  ${seconds.toFixed(1)} s`);
  if (failed === 0) return;
  for (const line of output.trimEnd().split("\n")) console.log(`     │ ${line}`);
  for (const problem of problems) console.log(`     → ${problem}`);
}
