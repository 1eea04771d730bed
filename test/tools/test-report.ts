// Loaded into each test process before its test file. Tells the runner what uvu itself keeps quiet about: which test
// is running, each suite's counts, suites that were never run, errors nobody caught, and what keeps a process alive.
import { appendFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { isMainThread } from "node:worker_threads";
import { endNow, processesWith } from "./processes.ts";

/** One line of a report. The runner reads them in order; every field says one thing that happened. */
export type ReportLine =
  | { at: "test"; title: string }
  | { at: "only"; suite: string }
  | { at: "hook-threw"; suite: string; hook: string }
  | { at: "suite"; total: number; passed: number; skipped: number }
  | { at: "uncaught"; message: string }
  | { at: "kept-alive"; by: string[] }
  | { at: "exit"; neverRun: string[]; suitesBegun: number };

const file = process.env["BELFRY_TEST_REPORT"];
const runner = Number(process.env["BELFRY_TEST_RUNNER"]);
// Programs that a test starts are not the test.
delete process.env["BELFRY_TEST_REPORT"];
delete process.env["BELFRY_TEST_RUNNER"];

/** Seconds that a process may go on after its last test; long enough for servers to let go of their sockets. */
const SECONDS_TO_END = Number(process.env["BELFRY_TEST_SECONDS_TO_END"] ?? 10);

/** Titles and counts of tests that were registered and not run yet, by suite. */
export const registered = new Map<symbol, { suite: string; waiting: number }>();

export function report(line: ReportLine): void {
  if (file && isMainThread) appendFileSync(file, `${JSON.stringify(line)}\n`);
}

type SuiteRun = () => Promise<[errors: string | true, passed: number, skipped: number, total: number]>;

let begun = 0;
let ended = 0;
let lastGasp: NodeJS.Timeout | undefined;

function watched(run: SuiteRun): SuiteRun {
  begun += 1;
  clearTimeout(lastGasp);
  return async () => {
    const outcome = await run();
    const [, passed, skipped, total] = outcome;
    ended += 1;
    report({ at: "suite", total, passed, skipped });
    if (ended === begun) {
      lastGasp = setTimeout(() => {
        report({ at: "kept-alive", by: process.getActiveResourcesInfo() });
        process.exit(1);
      }, SECONDS_TO_END * 1000).unref();
    }
    return outcome;
  };
}

/** uvu keeps what it has to run in a global list of groups; every run that enters a group is wrapped. */
function watchedQueue(): unknown[][] {
  const queue: unknown[][] = [];
  queue.push = (...groups) => {
    for (const group of groups) {
      group.push = (...runs) => Array.prototype.push.apply(group, (runs as SuiteRun[]).map(watched));
    }
    return Array.prototype.push.apply(queue, groups);
  };
  return queue;
}

async function endWithAllStarted(): Promise<void> {
  for (const { pid } of await processesWith(`BELFRY_TEST_FILE=${process.env["BELFRY_TEST_FILE"]}`)) endNow(pid);
  endNow(-process.pid);
}

if (file && isMainThread) {
  (globalThis as { UVU_QUEUE?: unknown[][] }).UVU_QUEUE = watchedQueue();
  const watchedUvu = new URL("./watched-uvu.ts", import.meta.url).href;
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === "uvu" && context.parentURL !== watchedUvu
        ? { url: watchedUvu, shortCircuit: true }
        : next(specifier, context),
  });
  // Were the runner killed, nobody would be left to enforce the time limit: this process then ends with all it started.
  setInterval(() => {
    if (process.ppid !== runner) void endWithAllStarted();
  }, 1000).unref();
  process.on("uncaughtExceptionMonitor", (error) => {
    report({ at: "uncaught", message: error instanceof Error ? error.message : String(error) });
  });
  process.on("exit", () => {
    const neverRun = [...registered.values()].filter(({ waiting }) => waiting > 0).map(({ suite }) => suite);
    report({ at: "exit", neverRun, suitesBegun: begun });
  });
}
