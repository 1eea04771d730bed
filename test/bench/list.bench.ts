import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { http } from "@belfry/http";
import { jsonrpc } from "@belfry/jsonrpc";
import { sqlite } from "@belfry/sqlite";
import { fakeWorker, step, testMaster } from "@belfry/testkit";
import Database from "better-sqlite3";
import Koa from "koa";
import type { Row } from "./bench.ts";
import { httpUrl } from "./http-url.ts";
import { percentiles, round } from "./measure.ts";
import { rpcLoad } from "./under-load.ts";

const SIZES = [1_000, 100_000, 1_000_000];

/** `builds.list` of 50, newest first, with ever more builds in the database, in-process and over HTTP. */
async function run(): Promise<Row[]> {
  const rows: Row[] = [];
  const medians: number[] = [];
  for (const size of SIZES) {
    const folder = await mkdtemp(join(tmpdir(), "belfry-list-"));
    const file = join(folder, "belfry.sqlite");
    try {
      await using kit = await testMaster({
        folder,
        config: {
          database: sqlite({ file }),
          access: { anonymous: "read" },
          services: [http({ port: 0 }), jsonrpc()],
          workers: [fakeWorker({ name: "w" })],
          builders: Array.from({ length: 20 }, (_, i) => ({
            name: `builder-${i}`,
            workers: ["w"],
            steps: [step({ run: () => ({ result: "success" }) })],
          })),
        },
      });
      fill(file, size);
      const ask = () => kit.call("builds.list", { limit: 50 });
      if ((await ask()).items.length !== 50) throw new Error("the list is not whole");
      const ours = await median(ask);
      const db = new Database(file, { readonly: true });
      const plain = db.prepare(
        "select b.*, n.name from builds b join builders n on n.id = b.builder_id order by b.id desc limit 51",
      );
      const limit = await median(async () => plain.all());
      db.close();
      medians.push(ours);
      const first = medians[0] as number;
      rows.push({
        figure: `list of 50 among ${size.toLocaleString("en")}`,
        value: round(ours, 3),
        unit: "ms",
        limit: round(limit, 3),
        ratio: round(ours / limit, 2),
        goal: size === SIZES[0] ? "(to compare with)" : "≤ 1.3 × that at 1,000",
        met: ours <= first * 1.3,
      });
      if (size === SIZES.at(-1)) rows.push(await overHttp(httpUrl(kit.master), JSON.stringify(await ask())));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  return rows;
}

function fill(file: string, count: number): void {
  const db = new Database(file);
  db.pragma("synchronous = OFF");
  const insert = db.prepare(
    `insert into builds (number, builder_id, request_id, buildset_id, worker, slot, master_id, fence, generation, state, branch, revision, assigned_at, started_at, finished_at, result, summary, stop_reason)
     values (?, ?, ?, ?, 'w', 0, 1, 1, 1, 'finished', 'main', ?, ?, ?, ?, 'success', 'fine', null)`,
  );
  const many = db.transaction((from: number, to: number) => {
    for (let i = from; i < to; i += 1)
      insert.run(Math.floor(i / 20) + 1, (i % 20) + 1, i, i, `rev${i}`, i, i, i + 5_000);
  });
  for (let from = 0; from < count; from += 50_000) many(from, Math.min(count, from + 50_000));
  db.close();
}

async function median(work: () => Promise<unknown>): Promise<number> {
  const values: number[] = [];
  for (let i = 0; i < 600; i += 1) {
    const begun = performance.now();
    await work();
    if (i >= 100) values.push(performance.now() - begun);
  }
  return percentiles(values).p50;
}

async function overHttp(url: string, answer: string): Promise<Row> {
  const bare = new Koa();
  const constant = JSON.stringify({ jsonrpc: "2.0", id: 1, result: JSON.parse(answer) });
  bare.use((ctx) => {
    ctx.type = "json";
    ctx.body = constant;
  });
  const server = createServer(bare.callback());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bareUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/rpc`;
  await requestsPerSecond(new URL("/rpc", url).href, 1);
  const ours = await requestsPerSecond(new URL("/rpc", url).href, 4);
  const limit = await requestsPerSecond(bareUrl, 3);
  server.closeAllConnections();
  server.close();
  return {
    figure: "list of 50 over /rpc, 1 M builds",
    value: round(ours),
    unit: "req/s",
    limit: round(limit),
    ratio: round(ours / limit, 3),
    goal: "≥ 2,000 req/s",
    met: ours >= 2_000,
  };
}

async function requestsPerSecond(url: string, seconds: number): Promise<number> {
  const load = { url, method: "builds.list", params: { limit: 50 }, width: 8, seconds, expect: '"items":[' };
  return (await rpcLoad(load)).rate;
}

export default { name: "list", run };
