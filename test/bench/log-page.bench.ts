import { once } from "node:events";
import { createReadStream } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Page } from "playwright-core";
import { bigLogWorld, LINES, lineOf, NEEDLES } from "../plugins/web/big-log.ts";
import { executable, missing, openBrowser } from "../plugins/web/browser.ts";
import { type Bench, type Row, rowAtMost } from "./bench.ts";
import { percentiles, round } from "./measure.ts";

const ROUNDS = 9;

/** A page of as many lines that was there before, served by nothing but `node:http`: what the browser alone needs. */
async function barePage(lines: number): Promise<{ url: string; close(): void }> {
  const items = Array.from(
    { length: lines },
    (_, i) => `<li id="L${i + 1}"><a href="#">${i + 1}</a><code>${lineOf(i + 1)}</code></li>`,
  );
  const body = `<!DOCTYPE html><html lang="en"><title>bare</title><ol class="lines">${items.join("")}</ol></html>`;
  const server = createServer((_, answer) => answer.setHeader("content-type", "text/html").end(body));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, close: () => server.close() };
}

/** The same lines in a plain file, each looked at: what a search without a log store needs. */
async function plainSearch(file: string): Promise<number> {
  const begun = performance.now();
  let found = 0;
  for await (const line of createInterface({ input: createReadStream(file) }))
    if (line.toLowerCase().includes("needle")) found += 1;
  if (found !== NEEDLES.length) throw new Error(`${found} lines are not those that were written`);
  return performance.now() - begun;
}

async function writeLines(file: string): Promise<void> {
  await using handle = await open(file, "w");
  for (let done = 0; done < LINES; done += 10_000)
    await handle.write(Array.from({ length: 10_000 }, (_, i) => `${lineOf(done + i + 1)}\n`).join(""));
}

const ofMedian = async (work: () => Promise<number>): Promise<number> => {
  const samples: number[] = [];
  for (let i = 0; i < ROUNDS; i += 1) samples.push(await work());
  return percentiles(samples).p50;
};

/** From the navigation until a line is painted. */
async function opened(page: Page, url: string, line: number): Promise<number> {
  await page.goto("about:blank");
  const begun = performance.now();
  await page.goto(url, { waitUntil: "commit" });
  await painted(page, line);
  return performance.now() - begun;
}

const painted = (page: Page, line: number) =>
  page.waitForFunction((id) => {
    const { top = -1, bottom = -1 } = document.getElementById(id)?.getBoundingClientRect() ?? {};
    return top >= 0 && bottom <= innerHeight;
  }, `L${line}`);

async function jumped(page: Page, url: string): Promise<number> {
  await opened(page, url, 1);
  const begun = performance.now();
  await page.locator("[data-go=end]").click();
  await painted(page, LINES);
  return performance.now() - begun;
}

/** From the key until the first hit is painted. */
async function searched(page: Page, url: string, find: string): Promise<number> {
  await opened(page, url, 1);
  await page.getByLabel("Find").fill(find);
  const begun = performance.now();
  await page.keyboard.press("Enter");
  await page.getByText(`of ${NEEDLES.length} lines that have`).waitFor();
  await painted(page, NEEDLES[0] as number);
  return performance.now() - begun;
}

/** The most elements of lines that are ever in the page while somebody scrolls on for long. */
async function mostNodes(page: Page, url: string): Promise<number> {
  await page.addInitScript(() => {
    Object.assign(window, { most: 0 });
    const counts = window as unknown as { most: number };
    const look = () => {
      counts.most = Math.max(counts.most, document.querySelectorAll("ol.lines *").length);
    };
    new MutationObserver(look).observe(document, { childList: true, subtree: true });
  });
  await page.goto(`${url}?from=300000`);
  await page.mouse.move(300, 300);
  const last = () => page.evaluate(() => Number(document.querySelector("ol.lines")?.lastElementChild?.id.slice(1)));
  for (let i = 0; i < 500 && (await last()) < 310_000; i += 1) {
    await page.mouse.wheel(0, 5_000);
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
  }
  if ((await last()) < 310_000) throw new Error(`it was scrolled to line ${await last()} only`);
  return page.evaluate(() => (window as unknown as { most: number }).most);
}

const bench: Bench = {
  name: "log-page",
  async run(): Promise<Row[]> {
    if (executable === undefined) throw new Error(missing);
    const folder = await mkdtemp(join(tmpdir(), "belfry-log-page-"));
    try {
      const file = join(folder, "lines.txt");
      await writeLines(file);
      await using world = await bigLogWorld();
      await using browser = await openBrowser();
      const page = await browser.newPage();
      const bare = await barePage(500);
      const alone = await ofMedian(() => opened(page, bare.url, 1));
      bare.close();
      const first = await ofMedian(() => opened(page, world.log, 1));
      const middle = await ofMedian(() => opened(page, `${world.log}?from=499996#L500000`, 500_000));
      const end = await ofMedian(() => jumped(page, world.log));
      let i = 0;
      // Each time another text, so that no answer is one that was kept.
      const words = ["needle", "needle-", "/needle", "/needle-", "NEEDLE", "Needle", "NEEDLE-", "/NEEDLE", "nEEDLE"];
      const search = await ofMedian(() => searched(page, world.log, words[i++ % words.length] as string));
      const plain = await ofMedian(() => plainSearch(file));
      const nodes = await mostNodes(page, world.log);
      return [
        rowAtMost("log of 1 M lines: first lines, beside a bare page", "ms", round(first), 300, round(alone)),
        rowAtMost("log of 1 M lines: a line by its permalink", "ms", round(middle), 300, round(alone)),
        rowAtMost("log of 1 M lines: jump to the end", "ms", round(end), 300, round(alone)),
        rowAtMost(
          "log of 1 M lines: search of the whole, beside a plain file",
          "ms",
          round(search),
          2_000,
          round(plain),
        ),
        rowAtMost("log of 1 M lines: most log nodes in the page", "nodes", nodes, 2_000),
      ];
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

export default bench;
