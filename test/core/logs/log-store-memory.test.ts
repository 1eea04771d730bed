import { createHash, randomBytes } from "node:crypto";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { LogLine } from "../../../core/src/interfaces/log-store.ts";
import { Compressor } from "../../../core/src/logs/compressor.ts";
import { packFrame, readFrame } from "../../../core/src/logs/frame.ts";
import { CAP, logWorld, rawText } from "./log-world.ts";

const memory = suite("log store, memory that is used again");

const digest = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");

/** Lines that tell which log and place they belong to, so that bytes from elsewhere are seen. */
function madeLines(log: number, from: number, bytes: number, noise: boolean): string {
  const lines: string[] = [];
  for (let size = 0, number = from; size < bytes; number += 1) {
    const line = `${log}:${number}:${noise ? randomBytes(45).toString("base64") : "x".repeat(60)}\n`;
    lines.push(line);
    size += line.length;
  }
  return lines.join("");
}

memory("what readers hold stays as it was while other logs are written, packed and read", async () => {
  const parts = fc.array(
    fc.record({
      bytes: fc.constantFrom(1, 700, 5_000, 70_000, 170_000, 300_000),
      noise: fc.boolean(),
      flush: fc.boolean(),
    }),
    { minLength: 1, maxLength: 8 },
  );
  await using world = await logWorld({ publishAfter: 1, cacheBytes: 300_000 });
  const { store } = world;
  let run = 0;
  const digests = new Map<string, string>();
  await fc.assert(
    fc.asyncProperty(fc.array(parts, { minLength: 1, maxLength: 4 }), async (logs) => {
      run += 1;
      const held: { lines: LogLine[]; was: string }[] = [];
      const hold = (lines: LogLine[]) =>
        held.push({ lines, was: digest(Buffer.concat(lines.map(({ data }) => data))) });
      const written = await Promise.all(
        logs.map(async (parts, index) => {
          const key = `m/${run}/${index}`;
          const log = store.create(key, { fence: 1, capBytes: CAP });
          // Lent to the store, and written over as soon as it has taken it.
          const lent = Buffer.alloc(64 * 1024);
          let all = "";
          await log.flush();
          await using reader = await store.open(key);
          for (const { bytes, noise, flush } of parts) {
            const text = madeLines(index, all.length, bytes, noise);
            all += text;
            for (let at = 0; at < text.length; at += lent.length) {
              const size = lent.write(text.slice(at, at + lent.length), "latin1");
              await log.append("stdout", lent.subarray(0, size), 1);
              lent.fill("!");
            }
            if (flush) await log.flush();
            const { lines } = await reader.info();
            hold(await reader.lines(Math.max(0, lines - 1_000), 1_000));
          }
          await log.finish();
          assert.is(digest(await rawText(reader)), digest(all), "a reader that was there before the end");
          digests.set(key, digest(all));
          return { key, all };
        }),
      );
      for (const { key, all } of written) {
        await using reader = await store.open(key);
        assert.is(digest(await rawText(reader)), digest(all));
        hold(await reader.lines(0, 3_000));
      }
      for (const { lines, was } of held) assert.is(digest(Buffer.concat(lines.map(({ data }) => data))), was);
    }),
    { numRuns: 25 },
  );
  await store.stop?.();
  // Now all are packed.
  const other = world.other();
  for (const [key, was] of digests) {
    await using reader = await other.open(key);
    assert.is(digest(await rawText(reader)), was);
    assert.is((await reader.info()).finished, true);
  }
});

memory("frames that are compressed one after the other are whole, each by itself", async () => {
  const compressor = new Compressor();
  try {
    const raws = [
      Buffer.alloc(300_000, "a line\n"),
      randomBytes(300_000),
      Buffer.from("short"),
      Buffer.concat([randomBytes(200_000), Buffer.alloc(100_000)]),
      Buffer.alloc(5_000, "b"),
    ];
    const frames = await Promise.all(
      raws.map((raw) => packFrame({ raw, runs: 0, lines: 0, truncated: false }, compressor)),
    );
    for (const [index, frame] of frames.entries()) {
      const raw = raws[index] as Buffer;
      const bytes = Buffer.concat([frame.header, ...frame.body]);
      assert.is(bytes.length, frame.size);
      assert.ok((await readFrame(bytes, 0)).text.equals(raw));
    }
    assert.is(frames[1]?.body[0], raws[1], "what would not become smaller is stored as it is");
    await compressor.close();
    const [again] = await Promise.all([
      packFrame({ raw: raws[0] as Buffer, runs: 0, lines: 0, truncated: false }, compressor),
      compressor.close(),
    ]);
    assert.ok((await readFrame(Buffer.concat([again.header, ...again.body]), 0)).text.equals(raws[0] as Buffer));
  } finally {
    await compressor.close();
  }
});

memory.run();
