import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildbotJson } from "@belfry/buildbot-json";
import { cctray } from "@belfry/cctray";
import { http } from "@belfry/http";
import { jsonrpc } from "@belfry/jsonrpc";
import { sqlite } from "@belfry/sqlite";
import { fakeWorker, step, testMaster } from "@belfry/testkit";
import { xmlrpc } from "@belfry/xmlrpc";
import Database from "better-sqlite3";
import Koa from "koa";
import { type Row, rowAtLeast, rowAtMost, rowOfLimit } from "./bench.ts";
import { httpUrl } from "./http-url.ts";
import { round } from "./measure.ts";
import { type Figures, rpcLoad, underLoad } from "./under-load.ts";

const BUILDERS = 200;
const BUILDS = 20_000;
const WIDTH = 8;
const SECONDS = 4;

/** The tongues over HTTP, on a farm of 200 builders: beside a bare Koa route that answers a constant JSON of equal size. */
async function run(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "belfry-tongues-"));
  const file = join(folder, "belfry.sqlite");
  try {
    await using kit = await testMaster({
      folder,
      config: {
        database: sqlite({ file }),
        access: { anonymous: "read" },
        services: [http({ port: 0 }), jsonrpc(), xmlrpc(), buildbotJson(), cctray()],
        workers: [fakeWorker({ name: "w" })],
        builders: Array.from({ length: BUILDERS }, (_, i) => ({
          name: `builder-${i}`,
          tags: [`tag-${i % 10}`],
          workers: ["w"],
          steps: [step({ run: () => ({ result: "success" }) })],
        })),
      },
    });
    fill(file);
    const url = httpUrl(kit.master);
    const rows: Row[] = [];

    const params = { limit: 50 };
    const list = (seconds: number) =>
      rpcLoad({ url: `${url}/rpc`, method: "builds.list", params, width: WIDTH, seconds, expect: '"items":[' });
    await list(1);
    const unchanged = await list(SECONDS);
    const answer = JSON.stringify({ jsonrpc: "2.0", id: 1, result: await kit.call("builds.list", params) });
    const bare = await bareKoa(answer);
    rows.push(rowOfLimit("builds.list of 50 over /rpc", "req/s", round(unchanged.rate), round(bare.rate), 0.35));
    rows.push(rowAtMost("the same, p99 at 8 connections", "ms", round(unchanged.p99), 10, round(bare.p99)));
    const busy = await whileCommitting(kit.call, () => list(SECONDS));
    rows.push(rowOfLimit("the same, somebody commits every 5 ms", "req/s", round(busy.rate), round(bare.rate), 0.1));

    const get = (path: string, headers = {}, status = 200, expect = "builder-7") =>
      underLoad({ url: url + path, verb: "GET", headers, body: "", status, width: WIDTH, seconds: SECONDS, expect });
    const xml = `<?xml version="1.0"?><methodCall><methodName>getLastBuilds</methodName><params><param><value><string>builder-7</string></value></param><param><value><int>50</int></value></param></params></methodCall>`;
    const lastBuilds = await underLoad({
      url: `${url}/xmlrpc`,
      verb: "POST",
      headers: { "content-type": "text/xml" },
      body: xml,
      status: 200,
      width: WIDTH,
      seconds: SECONDS,
      expect: "builder-7",
    });
    rows.push(rowAtLeast("getLastBuilds(b, 50) over /xmlrpc", "req/s", round(lastBuilds.rate), 300, round(bare.rate)));
    for (const path of ["/json/builders", "/cc.xml"]) {
      const changing = await whileCommitting(kit.call, () => get(path));
      rows.push(rowAtLeast(`${path} of 200 builders, always another`, "req/s", round(changing.rate), 200));
      const etag = (await fetch(url + path)).headers.get("etag") ?? "";
      const same = await get(path, { "if-none-match": etag }, 304, "");
      rows.push(rowAtLeast(`${path} of 200 builders, unchanged (ETag)`, "req/s", round(same.rate), 1_000));
    }
    return rows;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Changes all the time, so that no answer can be given twice for long. */
async function whileCommitting(
  call: (method: string, params: { [key: string]: string }) => Promise<unknown>,
  work: () => Promise<Figures>,
): Promise<Figures> {
  let over = false;
  const committing = (async () => {
    while (!over) {
      await call("changes.add", { repository: "r" });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  try {
    return await work();
  } finally {
    over = true;
    await committing;
  }
}

function fill(file: string): void {
  const db = new Database(file);
  db.pragma("synchronous = OFF");
  const buildset = db.prepare(
    "insert into buildsets (id, reason, properties, submitted_at, complete_at, result, open_requests) values (?, 'forced', '{}', ?, ?, 'success', 0)",
  );
  const build = db.prepare(
    `insert into builds (id, number, builder_id, request_id, buildset_id, worker, slot, master_id, fence, generation, state, branch, revision, assigned_at, started_at, finished_at, result, summary, stop_reason)
     values (?, ?, ?, ?, ?, 'w', 0, 1, 1, 1, 'finished', 'main', ?, ?, ?, ?, ?, 'fine', null)`,
  );
  const step = db.prepare(
    "insert into steps (build_id, step, name, kind, started_at, finished_at, result, summary) values (?, ?, ?, 'steps.shell', ?, ?, ?, 'fine')",
  );
  const property = db.prepare(
    "insert into properties (build_id, name, value, source) values (?, 'gotRevision', ?, 'git')",
  );
  const epoch = 1_700_000_000_000;
  db.transaction(() => {
    for (let i = 0; i < BUILDS; i += 1) {
      const result = i % 7 === 0 ? "failure" : "success";
      const at = epoch + i * 1_000;
      const id = i + 1;
      buildset.run(id, at, at + 5_000);
      build.run(id, Math.floor(i / BUILDERS) + 1, (i % BUILDERS) + 1, id, id, `rev${i}`, at, at, at + 5_000, result);
      step.run(id, 1, "compile", at, at + 2_000, "success");
      step.run(id, 2, "test", at + 2_000, at + 5_000, result);
      property.run(id, `"rev${i}"`);
    }
  })();
  db.close();
}

async function bareKoa(constant: string): Promise<Figures> {
  const bare = new Koa();
  bare.use((ctx) => {
    ctx.type = "json";
    ctx.body = constant;
  });
  const server = createServer(bare.callback());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/rpc`;
  try {
    return await rpcLoad({ url, method: "x", params: {}, width: WIDTH, seconds: SECONDS, expect: '"items":[' });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

export default { name: "tongues", run };
