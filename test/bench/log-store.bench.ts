import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import type { LogStore } from "../../core/src/interfaces/log-store.ts";
import { createFileLogStore } from "../../core/src/logs/file-log-store.ts";
import { createSecretSet } from "../../core/src/logs/masker.ts";
import { type Bench, percentile, type Row, rowAtLeast, rowAtMost, rowOfLimit } from "./bench.ts";

const TOTAL = 100_000_000;
const CHUNK = 64 * 1024;
const CAP = 200_000_000;
const SMALL_LOGS = 2_000;

/** 100 MB in about a million lines that look like a build's, as views into 4 MB. */
function chunks(): Buffer[] {
  let text = "";
  for (let number = 0; text.length < 4_000_000; number += 1) {
    const file = `src/part-${number % 97}/module-${(number * 7919) % 10_007}.ts`;
    text += `[${number % 3 ? "info" : "warn"}] compiled ${file} in ${number % 997} ms, hash ${((number * 2654435761) >>> 0).toString(16)} ${"=".repeat(number % 60)}\n`;
  }
  const bytes = Buffer.from(text);
  const result: Buffer[] = [];
  for (let done = 0, at = 0; done < TOTAL; at = at + CHUNK >= bytes.length ? 0 : at + CHUNK) {
    const chunk = bytes.subarray(at, Math.min(at + CHUNK, bytes.length, at + TOTAL - done));
    result.push(chunk);
    done += chunk.length;
  }
  return result;
}

async function plainWrite(file: string, data: readonly Buffer[]): Promise<number> {
  await using handle = await open(file, "w");
  const begun = performance.now();
  for (const chunk of data) await handle.write(chunk);
  return performance.now() - begun;
}

interface Spent {
  wall: number;
  cpu: number;
}

async function appendAll(store: LogStore, key: string, data: readonly Buffer[]): Promise<Spent> {
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const log = store.create(key, { fence: 1, capBytes: CAP });
  let time = 0;
  for (const chunk of data) {
    const wait = log.append("stdout", chunk, (time += 1));
    if (wait) await wait;
  }
  await log.flush();
  const wall = performance.now() - begun;
  const { user, system } = process.cpuUsage(cpu);
  await log.finish();
  await store.stop?.();
  return { wall, cpu: (user + system) / 1_000 };
}

/** Milliseconds that the main thread worked for one small log, 4 of them at a time. */
async function smallLogs(store: LogStore, round: number): Promise<number> {
  const header = Buffer.from("true\n in /srv/belfry/work/builder\n");
  const before = performance.eventLoopUtilization();
  for (let number = 0; number < SMALL_LOGS; number += 4) {
    await Promise.all(
      [0, 1, 2, 3].map(async (slot) => {
        const log = store.create(`small/${round * SMALL_LOGS + number + slot}/1-stdio`, { fence: 1, capBytes: CAP });
        await log.append("header", header, number);
        await log.finish();
      }),
    );
  }
  return performance.eventLoopUtilization(before).active / SMALL_LOGS;
}

async function middleReads(store: LogStore, keys: readonly string[]): Promise<number> {
  const samples: number[] = [];
  for (let round = 0; round < 200; round += 1) {
    const begun = performance.now();
    await using reader = await store.open(keys[round % keys.length] as string);
    const first = 300_000 + ((round * 7_919) % 200_000);
    const lines = await reader.lines(first, 100);
    samples.push(performance.now() - begun);
    if (lines.length !== 100 || lines[0]?.number !== first)
      throw new Error("These are not the lines that were asked for.");
  }
  return percentile(samples, 0.5);
}

/** MB/s of a masker with five secrets over text that has none of them. */
function masking(data: readonly Buffer[]): number {
  const secrets = createSecretSet();
  for (const secret of ["ghp_16C7e42F292c6912E7710c838347Ae178B4a", "hunter2hunter2", "AKIAIOSFODNN7EXAMPLE"])
    secrets.add(secret);
  secrets.add("correct horse battery staple");
  secrets.add("p@ss/w0rd+x==");
  const masker = secrets.masker();
  const begun = performance.now();
  for (const chunk of data) masker.mask(chunk);
  return TOTAL / 1_000 / (performance.now() - begun);
}

const bench: Bench = {
  name: "log-store",
  async run(): Promise<Row[]> {
    const folder = await mkdtemp(join(tmpdir(), "belfry-bench-logs-"));
    try {
      const data = chunks();
      const store = createFileLogStore({ folder: join(folder, "logs") });
      const plain: number[] = [];
      const spent: Spent[] = [];
      const keys: string[] = [];
      for (let round = 0; round < 4; round += 1) {
        plain.push(await plainWrite(join(folder, `plain-${round}`), data));
        await rm(join(folder, `plain-${round}`));
        keys.push(`b/${round}/1-stdio`);
        spent.push(await appendAll(store, keys[round] as string, data));
      }
      const rate = (milliseconds: number) => TOTAL / 1_000 / milliseconds;
      const small: number[] = [];
      for (let round = 0; round < 5; round += 1) small.push((await smallLogs(store, round)) * 1_000);
      // A store that has read nothing yet.
      const reading = createFileLogStore({ folder: join(folder, "logs") });
      const middle = await middleReads(reading, keys);
      await reading.stop?.();
      const fastest = Math.min(...spent.map(({ wall }) => wall));
      return [
        rowOfLimit("log store: append, beside plain writes", "MB/s", rate(fastest), rate(Math.min(...plain)), 0.3),
        rowAtMost(
          "log store: CPU for 100 MB appended",
          "ms",
          percentile(
            spent.map(({ cpu }) => cpu),
            0.5,
          ),
          300,
        ),
        rowAtMost("log store: main thread for a small log", "µs", percentile(small, 0.5), 150),
        rowAtMost("log store: 100 lines from the middle, p50", "ms", middle, 5),
        rowAtLeast("masker: five secrets", "MB/s", masking(data), 100),
      ];
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

export default bench;
