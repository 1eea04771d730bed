import { step, until } from "@belfry/testkit";
import { openBrowser } from "../plugins/web/browser.ts";
import { type Row, rowAtMost } from "./bench.ts";
import { bigFarm } from "./big-farm.ts";
import { percentiles, round, sleep } from "./measure.ts";

const TIMES = 40;

/** From the beginning of a build's first step to the moment at which pages that are open in Chromium have it, beside how long a page that is asked for then takes. */
async function run(): Promise<Row[]> {
  const started: number[] = [];
  await using farm = await bigFarm(
    {},
    {
      builders: [
        {
          name: "live",
          workers: ["w15"],
          steps: [
            step({
              run: async () => {
                started.push(Date.now());
                await sleep(300);
                return { result: "success" };
              },
            }),
          ],
        },
      ],
    },
  );
  await using browser = await openBrowser();
  const rows: Row[] = [];
  for (const [name, path] of [
    ["/", "/"],
    ["/builders", "/builders?q=live"],
    ["the builder", "/builders/live"],
  ] as const) {
    const page = await browser.newPage();
    await page.goto(farm.url + path);
    await page.evaluate(() => {
      const shown: Record<string, number> = {};
      Object.assign(window, { shown });
      const look = () => {
        for (const link of Array.from(document.querySelectorAll('main a[href*="/builders/live/builds/"]'))) {
          const row = link.closest("li, tr, dd, .row") ?? link;
          const href = link.getAttribute("href") ?? "";
          if (row.querySelector(".running")) shown[href] ??= Date.now();
        }
      };
      new MutationObserver(look).observe(document.body, {
        subtree: true,
        childList: true,
        characterData: true,
        attributes: true,
      });
    });
    const values: number[] = [];
    const asked: number[] = [];
    for (let i = 0; i < TIMES; i += 1) {
      const before = started.length;
      const { buildset } = await farm.kit.call("schedulers.force", { scheduler: "force", builders: ["live"] });
      await until(() => started.length > before, "the step");
      await farm.kit.event("buildset.finished", (data) => data.buildset === buildset);
      await sleep(700);
      const { items } = await farm.kit.call("builds.list", { builder: "live", limit: 1 });
      const at = await page.evaluate(
        (href) => (window as unknown as { shown: Record<string, number> }).shown[href],
        `/builders/live/builds/${items[0].number}`,
      );
      values.push(at === undefined ? Number.POSITIVE_INFINITY : at - (started.at(-1) as number));
      const begun = performance.now();
      await (await fetch(farm.url + path)).text();
      asked.push(performance.now() - begun);
    }
    await page.close();
    const { p50, p95 } = percentiles(values);
    console.error(
      `  ${name}: p50 ${round(p50)} ms, p95 ${round(p95)} ms, never ${values.filter((one) => one > 1e9).length}`,
    );
    rows.push(
      rowAtMost(`a build starts → ${name} shows it, p95`, "ms", round(p95), 300, round(percentiles(asked).p95)),
    );
  }
  return rows;
}

export default { name: "live", run };
