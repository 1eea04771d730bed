import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { openBrowser } from "../plugins/web/browser.ts";
import { type Row, rowAtMost } from "./bench.ts";
import { bigFarm, builderName } from "./big-farm.ts";
import { percentiles, round } from "./measure.ts";

const TIMES = 9;

/** Until something is seen in Chromium that has nothing in its cache, beside the smallest page there is; and what it has to load. */
async function run(): Promise<Row[]> {
  await using farm = await bigFarm();
  await using browser = await openBrowser();
  const bare = createServer((_, answer) =>
    answer.setHeader("content-type", "text/html").end("<!DOCTYPE html><p>hello"),
  );
  await new Promise<void>((resolve) => bare.listen(0, "127.0.0.1", resolve));
  const rows: Row[] = [];
  let loaded = new Map<string, number>();
  const paint = async (url: string): Promise<number> => {
    const context = await browser.newContext();
    const page = await context.newPage();
    const sizes = new Map<string, Promise<number>>();
    page.on("requestfinished", (request) => {
      if (["script", "stylesheet"].includes(request.resourceType()))
        sizes.set(
          request.url(),
          request.sizes().then(({ responseBodySize }) => responseBodySize),
        );
    });
    await page.goto(url, { waitUntil: "load" });
    const at = await page.evaluate(
      () =>
        new Promise<number>((resolve) => {
          new PerformanceObserver((list, observer) => {
            for (const { name, startTime } of list.getEntries()) {
              if (name !== "first-contentful-paint") continue;
              observer.disconnect();
              resolve(startTime);
            }
          }).observe({ type: "paint", buffered: true });
        }),
    );
    loaded = new Map(await Promise.all([...sizes].map(async ([of, size]) => [of, await size] as const)));
    await context.close();
    return at;
  };
  const median = async (url: string) => {
    const values: number[] = [];
    for (let i = 0; i < TIMES; i += 1) values.push(await paint(url));
    return percentiles(values).p50;
  };
  try {
    const least = await median(`http://127.0.0.1:${(bare.address() as AddressInfo).port}/`);
    const builder = `/builders/${builderName(7)}`;
    for (const path of ["/", "/builders", builder, `${builder}/builds/7`, "/waterfall", "/console"]) {
      const value = await median(farm.url + path);
      rows.push(rowAtMost(`first paint of ${path}`, "ms", round(value), 300, round(least)));
    }
    if (loaded.size !== 2) throw new Error(`there are not one script and one style, but ${[...loaded.keys()]}`);
    const size = [...loaded.values()].reduce((all, one) => all + one, 0) / 1_000;
    rows.push(rowAtMost("script and style, compressed", "kB", round(size), 40));
  } finally {
    bare.closeAllConnections();
    bare.close();
  }
  return rows;
}

export default { name: "paint", run };
