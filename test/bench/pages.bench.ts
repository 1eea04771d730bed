import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { http } from "@belfry/http";
import { force } from "@belfry/schedulers";
import { sqlite } from "@belfry/sqlite";
import { fakeWorker, step, testMaster } from "@belfry/testkit";
import { web } from "@belfry/web";
import Koa from "koa";
import { type Row, rowAtLeast, rowAtMost } from "./bench.ts";
import { BUILDERS, builderName, fillFarm } from "./big-farm.ts";
import { httpUrl } from "./http-url.ts";
import { round } from "./measure.ts";
import { underLoad } from "./under-load.ts";

const WIDTH = 8;
const SECONDS = 5;
/** Somebody commits so often, so that no page is given again for long. */
const COMMITS = 100;

/** Pages of a farm of 200 builders and 100,000 builds while it is at work: each page beside a bare Koa route that answers with the same bytes. */
async function run(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "belfry-pages-"));
  const file = join(folder, "belfry.sqlite");
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  try {
    await using kit = await testMaster({
      folder,
      config: {
        database: sqlite({ file }),
        access: { anonymous: "read" },
        retention: false,
        services: [http({ port: 0 }), web()],
        workers: Array.from({ length: 20 }, (_, i) => fakeWorker({ name: `w${i}` })),
        schedulers: [force({ name: "force", builders: Array.from({ length: BUILDERS }, (_, i) => builderName(i)) })],
        builders: Array.from({ length: BUILDERS }, (_, i) => ({
          name: builderName(i),
          tags: [`tag-${i % 10}`],
          project: ["app", "lib", "docs"][i % 3] as string,
          workers: [`w${i % 20}`],
          steps: [
            step({
              run: async () => {
                await gate;
                return { result: "success" };
              },
            }),
          ],
        })),
      },
    });
    fillFarm(file);
    for (let i = 0; i < 8; i += 1)
      await kit.call("schedulers.force", { scheduler: "force", builders: [builderName(i)] });
    for (let i = 8; i < 28; i += 1) {
      await kit.call("builders.pause", { builder: builderName(i) });
      await kit.call("schedulers.force", { scheduler: "force", builders: [builderName(i)] });
    }
    const url = httpUrl(kit.master);
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
    const pages: [name: string, path: string][] = [
      ["/", "/"],
      ["/builders", "/builders"],
      ["a builder", `/builders/${builderName(7)}`],
      ["builds, each once", `/builders/${builderName(7)}/builds/$i`],
      ["/waterfall", "/waterfall"],
      ["/console", "/console"],
    ];
    for (const [name, path] of pages) {
      await get(path.replace("$i", "7"), { seconds: 1 });
      const page = await (await fetch(url + path.replace("$i", "7"))).text();
      const bare = await bareKoa(page);
      const most = path.includes("$i") ? { count: 490, seconds: undefined } : {};
      const found = await whileCommitting(kit.call, () => get(path, most));
      rows.push(rowAtMost(`${name}, p50`, "ms", round(found.p50, 2), 15, round(bare.p50, 2)));
      rows.push(rowAtMost(`${name}, p99`, "ms", round(found.p99, 2), 60, round(bare.p99, 2)));
      console.error(`${name}: ${page.length} characters, ${round(found.rate)} pages/s`);
    }
    const path = `/builders/${builderName(7)}/builds/7`;
    const etag = (await fetch(url + path)).headers.get("etag") ?? "";
    const headers = { "if-none-match": etag };
    const same = await get(path, { headers, status: 304, expect: "" });
    rows.push(rowAtLeast("304 of a finished build", "req/s", round(same.rate), 3_000));
    release();
    return rows;
  } finally {
    release();
    await rm(folder, { recursive: true, force: true });
  }
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
