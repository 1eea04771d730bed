import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { http } from "@belfry/http";
import { jsonrpc } from "@belfry/jsonrpc";
import { anyBranch } from "@belfry/schedulers";
import { sqlite } from "@belfry/sqlite";
import { fakeWorker, step, testMaster } from "@belfry/testkit";
import Database from "better-sqlite3";
import type { Row } from "./bench.ts";
import { httpUrl } from "./http-url.ts";
import { round } from "./measure.ts";
import { rpcLoad } from "./under-load.ts";

const CHANGES = 5_000;
const WIDTH = 8;

/** Changes told through /rpc one by one, 8 at a time, each answered when it is durable. */
async function run(): Promise<Row[]> {
  await using kit = await testMaster({
    config: {
      database: sqlite({}),
      services: [http({ port: 0 }), jsonrpc()],
      workers: [fakeWorker({ name: "w" })],
      // A farm that is told of changes has somebody who looks at them.
      schedulers: [anyBranch({ name: "release", builders: ["b"], branches: ["release/*"] })],
      builders: [{ name: "b", workers: ["w"], steps: [step({ run: () => ({ result: "success" }) })] }],
    },
  });
  const { token } = await kit.call("tokens.add", { name: "bench", scopes: ["control"] });
  const url = new URL("/rpc", httpUrl(kit.master)).href;
  const change = {
    author: "bench",
    comments: "a change",
    files: ["a/b.c"],
    revision: "r$i",
    branch: "main",
    repository: "https://example.org/r.git",
  };
  const add = (name: string, count: number) =>
    rpcLoad({
      url,
      token,
      method: "changes.add",
      params: { ...change, key: `${name}$i` },
      width: WIDTH,
      count,
      expect: '"added":true',
    });
  await add("warm", 500);
  const { rate: value } = await add("c", CHANGES);
  const limit = await groupCommits();
  return [
    {
      figure: "changes/s",
      value: round(value),
      unit: "1/s",
      limit: round(limit),
      ratio: round(value / limit, 3),
      goal: "≥ 1,000/s",
      met: value >= 1_000,
    },
  ];
}

/** Rows a second in commits of 8 at the same `synchronous`. */
async function groupCommits(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "belfry-limit-"));
  const db = new Database(join(folder, "x.sqlite"));
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  db.exec("create table t (id integer primary key, a text, b text)");
  const insert = db.prepare("insert into t (a, b) values (?, ?)");
  const group = db.transaction((from: number) => {
    for (let i = 0; i < WIDTH; i += 1) insert.run(`c${from + i}`, "x".repeat(200));
  });
  const begun = performance.now();
  for (let i = 0; i < CHANGES; i += WIDTH) group(i);
  const millis = performance.now() - begun;
  db.close();
  await rm(folder, { recursive: true, force: true });
  return (CHANGES / millis) * 1_000;
}

export default { name: "changes", run };
