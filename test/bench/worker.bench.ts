import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localWorker } from "@belfry/worker";
import type { Clock, CreateContext, WorkerSession } from "belfry";

interface Row {
  figure: string;
  value: number;
  unit: string;
  limit: number | null;
  ratio: number | null;
  goal: string;
  met: boolean;
}

const LANES = 4;
const COMMANDS = 1_500;
const LINES = 1_000_000;

/** A process of its own, so that the limit is not paid for with this one's memory. */
const PLAIN_RATE = `
  const { spawn } = require("node:child_process");
  let begun = 0, ended = 0;
  const start = performance.now();
  const next = () => {
    if (begun++ >= ${COMMANDS}) return;
    spawn("true").on("close", () => {
      if (++ended === ${COMMANDS}) console.log(ended / ((performance.now() - start) / 1000));
      else next();
    });
  };
  for (let lane = 0; lane < ${LANES}; lane++) next();
`;

const PLAIN_CAT = (file: string) => `
  const { spawn } = require("node:child_process");
  const start = performance.now();
  let bytes = 0;
  const child = spawn("cat", [${JSON.stringify(file)}], { stdio: ["ignore", "pipe", "inherit"] });
  child.stdout.on("data", (data) => { bytes += data.length; });
  child.on("close", () => console.log(bytes / 1e6 / ((performance.now() - start) / 1000)));
`;

const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(delay, run) {
    const timer = setTimeout(run, delay);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

const signal = new AbortController().signal;

async function inNode(script: string): Promise<number> {
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  for await (const piece of child.stdout) text += piece;
  return Number(text);
}

async function rate(session: WorkerSession, command: string[]): Promise<{ rate: number; cpu: number }> {
  let begun = 0;
  const cpu = process.cpuUsage();
  const start = performance.now();
  const lane = async () => {
    while (begun++ < COMMANDS) await session.run({ command }, () => {}, { signal, callId: `bench-${begun}` });
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  const { user, system } = process.cpuUsage(cpu);
  return { rate: COMMANDS / ((performance.now() - start) / 1_000), cpu: (user + system) / COMMANDS };
}

async function throughput(session: WorkerSession, file: string): Promise<number> {
  let bytes = 0;
  const start = performance.now();
  const count = (_channel: string, data: Uint8Array) => void (bytes += data.length);
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
  return median(times);
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Several turns, taken in alternation with the limit, so that both meet the same machine. */
async function turns<T>(count: number, ours: () => Promise<T>, limit: () => Promise<number>): Promise<{ ours: T[]; limit: number }> {
  const results: T[] = [];
  const limits: number[] = [];
  for (let i = 0; i < count; i++) {
    limits.push(await limit());
    results.push(await ours());
  }
  return { ours: results, limit: median(limits) };
}

const round = (value: number) => Math.round(value * 100) / 100;

export default {
  name: "worker",

  async run(): Promise<Row[]> {
    const folder = await mkdtemp(join(tmpdir(), "belfry-bench-"));
    const ctx = { name: "bench", clock, folder, stateFolder: folder } as CreateContext;
    const worker = localWorker.definition.create({}, ctx);
    await worker.start({ signal, folder, changed() {}, note() {} });
    try {
      const open = (builder: string) => worker.open({ id: 1, builder, slot: 0, fence: 1 });
      const session = await open("bench");
      const file = join(folder, "lines");
      await writeFile(file, `${"x".repeat(99)}\n`.repeat(LINES));
      await rate(session, ["true"]);
      const rates = await turns(3, () => rate(session, ["true"]), () => inNode(PLAIN_RATE));
      const cats = await turns(5, () => throughput(session, file), () => inNode(PLAIN_CAT(file)));
      const perSecond = median(rates.ours.map((turn) => turn.rate));
      const cpu = median(rates.ours.map((turn) => turn.cpu));
      const megabytes = median(cats.ours);
      let fresh = 0;
      const first = await opening(() => open(`fresh-${fresh++}`));
      const again = await opening(() => open("again"));
      return [
        row("commands `true`, 4 at a time", perSecond, "1/s", rates.limit, "≥ 0.6 of the limit", perSecond >= 0.6 * rates.limit),
        row("master's CPU for a command", cpu, "µs", null, "≤ 250", cpu <= 250),
        row("output of cat, 100 MB", megabytes, "MB/s", cats.limit, "≥ 400 MB/s", megabytes >= 400),
        row("opening a folder for the first time, p50", first, "ms", null, "≤ 5", first <= 5),
        row("opening a folder again, p50", again, "ms", null, "≤ 2", again <= 2),
      ];
    } finally {
      await worker.stop();
      await rm(folder, { recursive: true, force: true });
    }
  },
};

function row(figure: string, value: number, unit: string, limit: number | null, goal: string, met: boolean): Row {
  const ratio = limit === null ? null : round(value / limit);
  return { figure, value: round(value), unit, limit: limit === null ? null : round(limit), ratio, goal, met };
}
