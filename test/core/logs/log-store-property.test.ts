import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { LogChannel } from "../../../core/src/interfaces/log-store.ts";
import { LogModel } from "./log-model.ts";
import { CAP, followAll, logWorld, plain, rawText } from "./log-world.ts";

const property = suite("log store, any input");

const channel = fc.constantFrom<LogChannel>("stdout", "stderr", "header");
const piece = fc.oneof(
  { weight: 6, arbitrary: fc.string({ unit: fc.constantFrom("a", "b", "\n", "\r", "\0", "\xff"), maxLength: 12 }) },
  { weight: 2, arbitrary: fc.constantFrom("\n", "\r\n", "x\n", "") },
  {
    weight: 1,
    arbitrary: fc
      .tuple(
        fc.constantFrom(65_534, 65_535, 65_536, 65_537, 131_072, 200_000),
        fc.constantFrom("", "\n", "\n\n", "y\n"),
      )
      .map(([length, end]) => "z".repeat(length) + end),
  },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 90_000 }).map((count) => "ab\n".repeat(count)) },
);
const call = fc.oneof(
  { weight: 12, arbitrary: fc.record({ channel, text: piece, step: fc.integer({ min: 0, max: 2 }) }) },
  { weight: 1, arbitrary: fc.constant("flush" as const) },
  { weight: 1, arbitrary: fc.constant("pause" as const) },
);
const ranges = fc.array(fc.tuple(fc.double({ min: 0, max: 1.1, noNaN: true }), fc.integer({ min: 0, max: 3_000 })), {
  maxLength: 4,
});

property(
  "any pieces on any channels are the same lines as in a naive model, before and after the end, in any range",
  async () => {
    await using world = await logWorld({ publishAfter: 1 });
    const { store } = world;
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(call, { maxLength: 40 }),
        ranges,
        fc.oneof(fc.constant(CAP), fc.integer({ min: 0, max: 300 }), fc.integer({ min: 60_000, max: 150_000 })),
        fc.boolean(),
        async (calls, ranges, cap, early) => {
          const key = `p/${run++}/log`;
          const model = new LogModel(cap);
          const log = store.create(key, { fence: 1, capBytes: cap });
          const following = early
            ? store.open(key).then(async (reader) => [reader, await followAll(reader)] as const)
            : undefined;
          let time = 1_000;
          const waits: unknown[] = [];
          for (const one of calls) {
            if (one === "flush") {
              model.flush();
              waits.push(log.flush());
            } else if (one === "pause") {
              await new Promise((resolve) => setTimeout(resolve, 2));
            } else {
              time += one.step;
              model.append(one.channel, one.text, time);
              waits.push(log.append(one.channel, Buffer.from(one.text, "latin1"), time));
            }
          }
          await Promise.all(waits);
          await log.flush();
          model.flush();

          const check = async (finished: boolean) => {
            await using reader = await store.open(key);
            const bytes = model.raw.length;
            const info = await reader.info();
            assert.is(info.lines, model.lines.length);
            assert.is(info.finished, finished);
            assert.is(info.truncated, model.truncated);
            assert.ok(info.bytes <= bytes, "bytes do not count line feeds that were put between");
            assert.ok(plainEqual(plain(await reader.lines(0, model.lines.length + 1)), model.lines));
            for (const [at, count] of ranges) {
              const first = Math.floor(at * model.lines.length);
              const lines = await reader.lines(first, count);
              assert.ok(plainEqual(plain(lines), model.lines.slice(first, first + count)));
              assert.ok(lines.every((line, index) => line.number === first + index));
            }
            assert.ok((await rawText(reader)) === model.raw, "the plain text");
          };
          await check(false);
          const totals = await log.finish();
          assert.is(totals.lines, model.lines.length);
          assert.is(totals.truncated, model.truncated);
          await check(true);
          // Now packed.
          await store.stop?.();
          await check(true);
          if (following) {
            const [reader, lines] = await following;
            assert.ok(plainEqual(plain(lines), model.lines), "the follower's lines");
            await reader[Symbol.asyncDispose]();
          }
          await store.remove(key);
        },
      ),
      { numRuns: 150 },
    );
  },
);

function plainEqual(a: readonly unknown[][], b: readonly unknown[][]): boolean {
  if (a.length !== b.length) return false;
  return a.every((line, index) => line.every((value, at) => value === b[index]?.[at]));
}

property.run();
