import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { OutputSink, WorkerSession } from "belfry";
import * as assert from "uvu/assert";
import { limitedSuite, World } from "./kit.ts";

const test = limitedSuite("output that is only lent");

let calls = 0;

/** Runs a command that prints `count` lines that name it, into a sink that is slow at random and looks twice. */
async function printed(session: WorkerSession, name: string, count: number, slow: number, stop?: AbortController) {
  const total = createHash("sha256");
  let bytes = 0;
  let changed = 0;
  const sink: OutputSink = (_channel, data) => {
    total.update(data);
    bytes += data.length;
    if (Math.random() >= slow) return undefined;
    const was = Buffer.from(data);
    if (stop && bytes > 200_000) stop.abort();
    return sleep(Math.random() * 4).then(() => {
      if (!was.equals(data)) changed += 1;
    });
  };
  const script = `BEGIN { for (i = 0; i < ${count}; i++) print "${name} line " i " of many" }`;
  const signal = stop?.signal ?? new AbortController().signal;
  await session.run({ command: ["awk", script] }, sink, { signal, callId: `lent-${++calls}` });
  return { digest: total.digest("hex"), changed };
}

function expected(name: string, count: number): string {
  const total = createHash("sha256");
  for (let i = 0; i < count; i += 1) total.update(`${name} line ${i} of many\n`);
  return total.digest("hex");
}

test("a piece stays as it is until its sink has done with it, whatever other commands print meanwhile", async () => {
  await using world = await World.make();
  const session = await world.session();
  for (let round = 0; round < 4; round += 1) {
    const commands = Array.from({ length: 6 }, (_, index) => {
      const count = [1, 40, 700, 9_000, 60_000, 120_000][(index + round) % 6] as number;
      return { name: `${round}-${index}`, count, slow: index / 8 };
    });
    const stopped = new AbortController();
    const [cancelled, ...outputs] = await Promise.all([
      printed(session, "cancelled", 100_000_000, 0.5, stopped),
      ...commands.map(({ name, count, slow }) => printed(session, name, count, slow)),
    ]);
    assert.is(cancelled.changed, 0);
    for (const [index, { name, count }] of commands.entries()) {
      assert.is(outputs[index]?.changed, 0, `${name} was written over while it was lent`);
      assert.is(outputs[index]?.digest, expected(name, count), `${name} came whole`);
    }
  }
});

test.run();
