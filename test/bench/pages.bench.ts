import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { monitorEventLoopDelay } from "node:perf_hooks";
import Koa from "koa";
import { type Row, rowAtLeast, rowAtMost } from "./bench.ts";
import { bigFarm, builderName } from "./big-farm.ts";
import { round } from "./measure.ts";
import { underLoad } from "./under-load.ts";

const WIDTH = 8;
const SECONDS = 5;
/** Somebody commits so often, so that no page is given again for long. */
const COMMITS = 100;

/**
 * Pages of a farm of 200 builders and 100,000 builds while it is at work: each page beside a bare Koa route that
 * answers with the same bytes.
 */
async function run(): Promise<Row[]> {
  await using farm = await bigFarm({ pagesPerMinute: 1_000_000 });
  const { kit, url } = farm;
  const get = (path: string, more: object = {}) =>
    underLoad({
      url: url + path,
      verb: "GET",
      headers: {},
      body: "",
      status: 200,
      width: WIDTH,
      seconds: SECONDS,
      expect: "</html>",
      ...more,
    });
  const rows: Row[] = [];
  const builder = builderName(7);
  const pages: [name: string, path: string][] = [
    ["/", "/"],
    ["/builders", "/builders"],
    ["a builder", `/builders/${builder}`],
    ["builds, each once", `/builders/${builder}/builds/$i`],
    ["/waterfall", "/waterfall"],
    ["/console", "/console"],
  ];
  const blocked = monitorEventLoopDelay({ resolution: 1 });
  for (const [name, path] of pages) {
    await get(path.replace("$i", "7"), { seconds: 1 });
    const page = await (await fetch(url + path.replace("$i", "7"))).text();
    const bare = await bareKoa(page);
    const most = path.includes("$i") ? { count: 490, seconds: undefined } : {};
    blocked.reset();
    blocked.enable();
    const found = await whileCommitting(kit.call, () => get(path, most));
    blocked.disable();
    rows.push(rowAtMost(`${name}, p50`, "ms", round(found.p50, 2), 15, round(bare.p50, 2)));
    rows.push(rowAtMost(`${name}, p99`, "ms", round(found.p99, 2), 60, round(bare.p99, 2)));
    console.error(
      `  ${name}: ${page.length} characters, ${round(found.rate)} pages/s, the loop was held ${round(blocked.percentile(99.9) / 1e6)} ms (99.9 %), ${round(blocked.max / 1e6)} ms at most`,
    );
  }
  const path = `/builders/${builder}/builds/7`;
  const etag = (await fetch(url + path)).headers.get("etag") ?? "";
  const same = await get(path, { headers: { "if-none-match": etag }, status: 304, expect: "" });
  rows.push(rowAtLeast("304 of a finished build", "req/s", round(same.rate), 3_000));
  return rows;
}

async function whileCommitting<T>(
  call: (method: string, params: { [key: string]: string }) => Promise<unknown>,
  work: () => Promise<T>,
): Promise<T> {
  let over = false;
  const committing = (async () => {
    while (!over) {
      await call("changes.add", { repository: "r" });
      await new Promise((resolve) => setTimeout(resolve, COMMITS));
    }
  })();
  try {
    return await work();
  } finally {
    over = true;
    await committing;
  }
}

async function bareKoa(constant: string) {
  const bare = new Koa();
  bare.use((ctx) => {
    ctx.type = "html";
    ctx.body = constant;
  });
  const server = createServer(bare.callback());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  try {
    return await underLoad({
      url,
      verb: "GET",
      headers: {},
      body: "",
      status: 200,
      width: WIDTH,
      seconds: 2,
      expect: "</html>",
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

export default { name: "pages", run };
