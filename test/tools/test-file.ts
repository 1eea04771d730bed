import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { endNow, processesWith } from "./processes.ts";
import type { ReportLine } from "./test-report.ts";

export interface FileResult {
  /** Path of the file, from the folder that `npm test` runs in. */
  file: string;
  passed: number;
  /** Never zero when there is a problem, so that adding these up cannot hide one. */
  failed: number;
  skipped: number;
  seconds: number;
  /** Why the file failed, besides tests that did: a sentence each. */
  problems: string[];
  /** The end of what the process printed, both streams as they came. */
  output: string;
}

export interface TestFile {
  file: string;
  /** Seconds the process may take. */
  timeLimit: number;
}

const OUTPUT_LIMIT = 64_000;
/** Children of a test that were told to end may take this long to do so, in milliseconds. */
const GRACE = 5_000;
const preload = new URL("./test-report.ts", import.meta.url).href;

/** Runs one test file in a process (and process group) of its own. Whatever it started and left running is ended. */
export async function runTestFile(test: TestFile, env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<FileResult> {
  const folder = await mkdtemp(join(tmpdir(), "belfry-test-run-"));
  const outputFile = join(folder, "output");
  const reportFile = join(folder, "report");
  const mark = `BELFRY_TEST_FILE=${randomUUID()}`;
  const output = await open(outputFile, "a");
  const begun = performance.now();
  try {
    const child = spawn(
      process.execPath,
      ["--conditions=source", "--unhandled-rejections=strict", `--import=${preload}`, test.file],
      {
        env: {
          ...process.env,
          ...env,
          BELFRY_TEST_REPORT: reportFile,
          BELFRY_TEST_RUNNER: String(process.pid),
          BELFRY_TEST_FILE: mark.split("=")[1],
        },
        stdio: ["ignore", output.fd, output.fd],
        detached: true,
      },
    );
    const exit = new Promise<{ code: number | null; killedBy: string | null }>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, killedBy) => resolve({ code, killedBy }));
    });
    let timedOut = false;
    const end = () => child.pid && endNow(-child.pid);
    const timer = setTimeout(() => {
      timedOut = true;
      end();
    }, test.timeLimit * 1000);
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
    const { code, killedBy } = await exit.finally(() => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
    });
    const hurry = timedOut || signal.aborted || killedBy !== null;
    const left = await endLeftovers(child.pid as number, mark, hurry ? 0 : GRACE);

    const lines = await readReport(reportFile);
    const problems = findProblems(lines, { code, killedBy, timedOut, timeLimit: test.timeLimit });
    // A process that was killed could not tidy up; that it was killed is the news then.
    if (!hurry) problems.push(...left.map((command) => `It left a process running: ${command}`));
    const suites = lines.filter((line) => line.at === "suite");
    const sum = (key: "total" | "passed" | "skipped") => suites.reduce((all, suite) => all + suite[key], 0);
    const failed = sum("total") - sum("passed");
    if (failed === 0 && code !== 0 && problems.length === 0) problems.push(`The process ended with code ${code}.`);
    return {
      file: test.file,
      passed: sum("passed"),
      failed: failed === 0 && problems.length > 0 ? 1 : failed,
      skipped: sum("skipped"),
      seconds: Math.round(performance.now() - begun) / 1000,
      problems,
      output: await tail(outputFile),
    };
  } finally {
    await output.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Ends what is left of a test's processes and names what did not end by itself within `grace` milliseconds. */
async function endLeftovers(group: number, mark: string, grace: number): Promise<string[]> {
  const patience = performance.now() + grace;
  let left = await processesWith(mark);
  while (left.length > 0 && performance.now() < patience) {
    await sleep(50);
    left = await processesWith(mark);
  }
  endNow(-group);
  for (const { pid } of left) endNow(pid);
  return left.map(({ command }) => command);
}

async function readReport(file: string): Promise<ReportLine[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  const lines = text.split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line) as ReportLine);
}

interface Ending {
  code: number | null;
  killedBy: string | null;
  timedOut: boolean;
  timeLimit: number;
}

function findProblems(lines: ReportLine[], { code, killedBy, timedOut, timeLimit }: Ending): string[] {
  const problems: string[] = [];
  let running: string | undefined;
  let seen = 0;
  let unfinished = false;
  for (const line of lines) {
    if (line.at === "test") {
      running = line.title;
      unfinished = true;
    } else if (line.at === "suite") {
      unfinished = false;
      seen += line.total + line.skipped;
    } else if (line.at === "hook-threw") {
      problems.push(`\`${line.hook}\` of the suite "${line.suite}" threw, and uvu hides that.`);
    } else if (line.at === "uncaught") {
      problems.push(`An error or a rejected promise that nobody caught: ${line.message}`);
    } else if (line.at === "kept-alive") {
      problems.push(`The process did not end after its last test; something is still open: ${line.by.join(", ")}.`);
    } else if (line.at === "only" && process.env["CI"]) {
      problems.push(`The suite "${line.suite}" runs only some of its tests (\`.only\`).`);
    } else if (line.at === "exit") {
      for (const suite of line.neverRun) problems.push(`The suite "${suite}" was never run: \`.run()\` is missing.`);
    }
  }
  const where = unfinished ? `in or after the test "${running}"` : running ? "after its last test" : "before any test";
  if (timedOut) problems.push(`It was ended after its time limit of ${timeLimit} s, ${where}.`);
  else if (killedBy) problems.push(`It was ended by ${killedBy}, ${where}.`);
  else if (unfinished) problems.push(`It ended with code ${code} before its tests did, ${where}.`);
  else if (seen === 0 && problems.length === 0) problems.push("It registered no test.");
  return problems;
}

async function tail(file: string): Promise<string> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const length = Math.min(size, OUTPUT_LIMIT);
    const { buffer } = await handle.read(Buffer.alloc(length), 0, length, size - length);
    return (size > length ? `… (${size - length} bytes before this are left out)\n` : "") + buffer.toString("utf8");
  } finally {
    await handle.close();
  }
}
