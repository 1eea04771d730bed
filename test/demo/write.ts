import { createFileLogStore } from "belfry";
import { explainFailure } from "../../core/src/engine/failure-summary.ts";
import type { Store } from "../../core/src/store/store.ts";
import type { Tables } from "../../core/src/store/tables.ts";
import { MACHINES } from "./farm.ts";
import { makeHistory, NOW } from "./history.ts";
import { DemoRows, type Row } from "./rows.ts";

const ROWS_AT_ONCE = 200;
const HOUR = 3_600_000;
const SCHEDULERS = ["push", "release", "topics", "python", "site", "nightly", "by hand"];

/** Writes the farm's history into a database that has nothing but its configuration, as a master would have. */
export async function writeHistory(store: Store, logFolder: string): Promise<void> {
  const known = await store.read.selectFrom("builders").select(["id", "name"]).execute();
  const builders = new Map(known.map(({ id, name }) => [name, id]));
  const master = await store.read.selectFrom("masters").select("id").executeTakeFirstOrThrow();
  const rows = new DemoRows(builders, master.id);
  const { changes, builds } = makeHistory();
  rows.addHistory(changes, builds);
  addParts(rows, master.id);
  await store.write(async ({ db }) => {
    for (const [table, all] of Object.entries(rows.tables)) {
      for (let at = 0; at < all.length; at += ROWS_AT_ONCE)
        await db
          .insertInto(table as keyof Tables)
          .values(all.slice(at, at + ROWS_AT_ONCE) as never)
          .execute();
    }
    for (const [name, id] of builders)
      await db
        .updateTable("builders")
        .set({ next_number: rows.nextNumber(name) })
        .where("id", "=", id)
        .execute();
  });

  const logs = createFileLogStore({ folder: logFolder });
  await logs.start?.();
  const encoder = new TextEncoder();
  for (const { key, text, at, ended } of rows.logs) {
    const log = logs.create(key, { fence: 1, capBytes: 100_000_000 });
    await log.append("stdout", encoder.encode(text), at);
    await (ended ? log.finish() : log.flush());
  }
  const signal = new AbortController().signal;
  const summaries: [number, string][] = [];
  for (const build of rows.failed)
    summaries.push([build.id, JSON.stringify(await explainFailure(store, logs, build, signal))]);
  await store.write(async ({ db }) => {
    for (const [id, summary] of summaries)
      await db
        .updateTable("build_failures")
        .set({ state: "made", made_at: NOW, summary })
        .where("build_id", "=", id)
        .execute();
  });
  await logs.stop?.();
}

/** Workers, sources and schedulers as they are at the moment of the pictures. */
function addParts(rows: DemoRows, master: number): void {
  for (const { name, slots, info, away = false, paused } of MACHINES) {
    rows.add("workers", {
      name,
      master_id: master,
      connected: away ? 0 : 1,
      slots,
      info: JSON.stringify(info),
      seen_at: away ? NOW - 13 * HOUR : NOW - 4_000,
    });
    if (paused) rows.add("worker_pauses", { worker: name, ...paused, at: NOW - 35 * 60_000 });
  }
  rows.add("change_sources", sourceRow("lumen", NOW - 22_000, null, 0));
  const trouble = "git cannot reach mirror.contoso.example: the name could not be resolved";
  rows.add("change_sources", sourceRow("contoso mirror", NOW - 51_000, trouble, 214));
  for (const [i, name] of SCHEDULERS.entries()) {
    const off = name === "release" ? { at: NOW - 26 * HOUR, by: "Miriam", reason: "3.2.4 is being tagged" } : null;
    rows.add("schedulers", {
      name,
      plugin: "@belfry/schedulers",
      version: 1,
      cursor: 0,
      state: null,
      wake_at: name === "nightly" ? NOW - (NOW % (24 * HOUR)) + 26 * HOUR : null,
      passed_at: NOW - 9_000 - i * 700,
      error: null,
      failures: 0,
      disabled: off && JSON.stringify(off),
      enabled_at: null,
      skips: null,
    });
  }
  // Somebody gives out builds, or every request would say that nobody does.
  rows.add("leases", { name: "distributor", owner: "demo", fence: 1, until_at: Date.now() + 24 * HOUR });
}

function sourceRow(name: string, polledAt: number, message: string | null, failures: number): Row {
  return {
    name,
    plugin: "@belfry/git",
    version: 1,
    state: null,
    polled_at: polledAt,
    poll_wanted_at: null,
    error: message === null ? null : JSON.stringify({ message, lastSuccessAt: NOW - 9 * HOUR }),
    failures,
  };
}
