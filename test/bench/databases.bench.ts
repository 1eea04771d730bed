import { postgres } from "@belfry/postgres";
import { force } from "@belfry/schedulers";
import { sqlite } from "@belfry/sqlite";
import { shell } from "@belfry/steps";
import { testMaster } from "@belfry/testkit";
import { localWorker } from "@belfry/worker";
import type { Config } from "belfry";
import { postgres as postgresServer } from "../tools/postgres.ts";
import type { Row } from "./bench.ts";
import { round, sleep } from "./measure.ts";

const BUILDS = 500;
const ROUNDS = 2;
const SHARE = 0.25;

/** Builds a second, of one step `true` each, on 4 slots. */
async function rate(database: Config["database"]): Promise<number> {
  await using kit = await testMaster({
    config: {
      database,
      workers: [localWorker({ name: "w", slots: 4 })],
      schedulers: [force({ name: "force", builders: ["b"] })],
      builders: [{ name: "b", workers: ["w"], steps: [shell({ command: ["true"] })] }],
    },
  });
  await kit.call("builders.pause", { builder: "b" });
  for (let i = 0; i < BUILDS; i += 50)
    await Promise.all(Array.from({ length: 50 }, () => kit.call("schedulers.force")));
  const begun = performance.now();
  await kit.call("builders.resume", { builder: "b" });
  for (;;) {
    await sleep(20);
    const { pending, builds } = await kit.call("status.now");
    if (pending === 0 && builds.length === 0) break;
  }
  const value = (BUILDS / (performance.now() - begun)) * 1_000;
  const { items } = await kit.call("builds.list", { result: "success", limit: 500 });
  if (items.length !== BUILDS) throw new Error("not every build was a success");
  return value;
}

/** The same builds with PostgreSQL on this machine and with SQLite. */
async function run(): Promise<Row[]> {
  await using server = await postgresServer();
  const on: { sqlite: number[]; postgres: number[] } = { sqlite: [], postgres: [] };
  // In turn, so that a machine that becomes slower is slower for both.
  for (let i = 0; i < ROUNDS; i += 1) {
    on.sqlite.push(await rate(sqlite({})));
    on.postgres.push(await rate(postgres({ url: await server.createDatabase() })));
  }
  const [value, limit] = [Math.max(...on.postgres), Math.max(...on.sqlite)];
  return [
    {
      figure: "builds/s on PostgreSQL",
      value: round(value),
      unit: "1/s",
      limit: round(limit),
      ratio: round(value / limit, 3),
      goal: `≥ ${SHARE} of builds/s on SQLite`,
      met: value / limit >= SHARE,
    },
  ];
}

export default { name: "databases", run };
