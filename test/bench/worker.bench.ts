import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { localWorker } from "@belfry/worker";
import type { Clock, CreateContext, WorkerSession } from "belfry";
import { type Bench, percentile, rowAtLeast, rowAtMost, rowOfLimit } from "./bench.ts";

const LANES = 4;
const COMMANDS = 1_500;
const LINES = 1_000_000;
const TURNS = 5;
const spawnTrue = fileURLToPath(new URL("./limits/spawn-true.mjs", import.meta.url));
const readPipe = fileURLToPath(new URL("./limits/read-pipe.mjs", import.meta.url));
const signal = new AbortController().signal;

const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(delay, run) {
    const timer = setTimeout(run, delay);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

/** A limit is measured in a process of its own, which prints one number. */
async function limitOf(script: string, argument: string): Promise<number> {
  return Number((await promisify(execFile)(process.execPath, [script, argument])).stdout);
}

async function shortCommands(session: WorkerSession): Promise<{ rate: number; cpu: number }> {
  let begun = 0;
  const cpu = process.cpuUsage();
  const start = performance.now();
  const lane = async () => {
    while (begun++ < COMMANDS) await session.run({ command: ["true"] }, () => {}, { signal, callId: `bench-${begun}` });
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  const { user, system } = process.cpuUsage(cpu);
  return { rate: COMMANDS / ((performance.now() - start) / 1_000), cpu: (user + system) / COMMANDS };
}

/** Megabytes a second of a sink that only counts. */
async function longOutput(session: WorkerSession, file: string): Promise<number> {
  let bytes = 0;
  const start = performance.now();
  const count = (_channel: string, data: Uint8Array) => {
    bytes += data.length;
  };
  await session.run({ command: ["cat", file] }, count, { signal, callId: "bench-cat" });
  return bytes / 1e6 / ((performance.now() - start) / 1_000);
}

async function opening(open: () => Promise<WorkerSession>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 100; i++) {
    const start = performance.now();
    const session = await open();
    times.push(performance.now() - start);
    await session.close();
  }
  return percentile(times, 0.5);
}

const median = (values: number[]) => percentile(values, 0.5);

const bench: Bench = {
  name: "worker",

  async run() {
    const folder = await mkdtemp(join(tmpdir(), "belfry-bench-"));
    const ctx = { name: "bench", clock, folder, stateFolder: folder } as CreateContext;
    const worker = localWorker.definition.create({}, ctx);
    await worker.start({ signal, folder, changed() {}, note() {} });
    try {
      const open = (builder: string) => worker.open({ id: 1, builder, slot: 0, fence: 1 });
      const session = await open("bench");
      const file = join(folder, "lines");
      await writeFile(file, `${"x".repeat(99)}\n`.repeat(LINES));
      await shortCommands(session);

      // In alternation with the limits, so that both meet the same machine.
      const rates: number[] = [];
      const cpu: number[] = [];
      const rateLimits: number[] = [];
      const outputs: number[] = [];
      const outputLimits: number[] = [];
      for (let turn = 0; turn < TURNS; turn++) {
        rateLimits.push(await limitOf(spawnTrue, String(COMMANDS)));
        const short = await shortCommands(session);
        rates.push(short.rate);
        cpu.push(short.cpu);
        outputLimits.push((await limitOf(readPipe, file)) / 1e6);
        outputs.push(await longOutput(session, file));
      }

      let fresh = 0;
      const first = await opening(() => open(`fresh-${fresh++}`));
      const again = await opening(() => open("again"));
      const rateRow = rowOfLimit("worker: commands/s", "1/s", median(rates), median(rateLimits), 0.6);
      const outputRow = rowAtLeast("worker: output", "MB/s", median(outputs), 400, median(outputLimits));
      return [
        rateRow,
        rowAtMost("worker: master's CPU for a command", "µs", median(cpu), 250),
        outputRow,
        rowAtMost("worker: a folder opened first", "ms", first, 5),
        rowAtMost("worker: a folder opened again", "ms", again, 2),
      ];
    } finally {
      await worker.stop();
      await rm(folder, { recursive: true, force: true });
    }
  },
};

export default bench;
