import { tmpdir } from "node:os";
import { postgres } from "@belfry/postgres";
import { createPart, systemClock } from "@belfry/testkit";
import pg from "pg";
import { Store } from "../../core/src/store/store.ts";
import { postgres as postgresServer } from "../tools/postgres.ts";
import { type Row, rowAtMost } from "./bench.ts";
import { percentiles, round, sleep } from "./measure.ts";

const TIMES = 500;
const PAUSE = 5;
const WRITERS = 4;

/** A master's connection to the database, as far as rings go. */
async function open(url: string): Promise<Store> {
  const context = { folder: tmpdir(), signal: new AbortController().signal, note: () => undefined, readOnly: false };
  return new Store(await createPart(postgres, { url }).open(context), systemClock);
}

/** From a ring until it is heard at the other end, over and over. */
async function latencies(ring: () => void, heard: (wake: () => void) => void): Promise<{ p50: number; p95: number }> {
  let wake = () => {};
  heard(() => wake());
  const values: number[] = [];
  for (let i = 0; i < TIMES + 20; i += 1) {
    const arrived = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const begun = performance.now();
    ring();
    await arrived;
    if (i >= 20) values.push(performance.now() - begun);
    await sleep(PAUSE);
  }
  return percentiles(values);
}

/** What NOTIFY and LISTEN take without anything around them. */
async function bare(url: string): Promise<{ p50: number; p95: number }> {
  const [from, to] = [0, 1].map(() => new pg.Client({ connectionString: url })) as [pg.Client, pg.Client];
  try {
    await Promise.all([from.connect(), to.connect()]);
    await from.query("set synchronous_commit = off");
    await to.query("listen bare");
    return await latencies(
      () => void from.query("notify bare"),
      (wake) => to.on("notification", wake),
    );
  } finally {
    await Promise.all([from.end(), to.end()]);
  }
}

/** A ring of one master until another one on the same PostgreSQL hears it: while nothing else happens, and while a third one writes. */
async function run(): Promise<Row[]> {
  await using server = await postgresServer();
  const url = await server.createDatabase();
  const stores = await Promise.all([open(url), open(url), open(url)]);
  const [from, to, busy] = stores as [Store, Store, Store];
  try {
    await from.migrate();
    const limit = await bare(url);
    const rings = () =>
      latencies(
        () => from.doorbell.ring("bench"),
        (wake) => void to.doorbell.listen("bench", wake),
      );
    const idle = await rings();
    let over = false;
    const writing = Array.from({ length: WRITERS }, async () => {
      while (!over) await busy.write(async (tx) => tx.event("master.started", { master: "busy" }));
    });
    const loaded = await rings();
    over = true;
    await Promise.all(writing);
    return [
      rowAtMost("a ring to another master, p95", "ms", round(idle.p95, 2), 20, round(limit.p95, 2)),
      rowAtMost(`the same while ${WRITERS} others commit, p95`, "ms", round(loaded.p95, 2), 20, round(limit.p95, 2)),
    ];
  } finally {
    for (const store of stores) await store.close();
  }
}

export default { name: "doorbell", run };
