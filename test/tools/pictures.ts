import { mkdir, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { openDemo } from "../demo/demo.ts";
import { NOW } from "../demo/history.ts";
import { executable, missing, openBrowser } from "../plugins/web/browser.ts";
import { smallPng } from "./small-png.ts";

/*
 * Takes the pictures of the README from the demo farm: `npm run pictures [-- NAME…]`. The farm, its clock and the
 * reader's zone are always the same, so that a picture changes when a page does.
 */

interface Picture {
  name: string;
  path: string;
  dark?: boolean;
  height?: number;
}

const PICTURES: readonly Picture[] = [
  { name: "now", path: "/" },
  { name: "builders", path: "/builders" },
  { name: "builder", path: "/builders/linux-tsan" },
  { name: "build", path: "/builders/windows-msvc/builds/-1", dark: true },
  { name: "log", path: "/builders/windows-msvc/builds/-1/steps/STEP/logs/1?errors=1" },
  { name: "waterfall", path: "/waterfall?tag=tier-1" },
  { name: "console", path: "/console", dark: true },
  { name: "workers", path: "/workers" },
];
const FOLDER = resolve(import.meta.dirname, "../../plugins/web/pictures");

if (executable === undefined) {
  console.error(missing);
  process.exit(1);
}
const wanted = process.argv.slice(2);
const folder = process.env["PICTURES"] ?? FOLDER;
await mkdir(folder, { recursive: true });
await using demo = await openDemo();
// What is painted in parts has edges that depend on when.
await using browser = await openBrowser("--disable-partial-raster");
const failed = (await demo.kit.call("builds.list", { builder: "windows-msvc", result: "failure", limit: 1 })).items[0];
const { failure } = await demo.kit.call("builds.failure", { build: failed.id });
const { step } = failure.steps[0];
for (const { name, path, dark = false, height = 860 } of PICTURES) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const context = await browser.newContext({
    viewport: { width: 1_280, height },
    colorScheme: dark ? "dark" : "light",
    timezoneId: "UTC",
    locale: "en-GB",
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  await page.clock.setFixedTime(NOW);
  await page.goto(demo.url + path.replace("builds/-1", `builds/${failed.number}`).replace("STEP", String(step)));
  await page.waitForFunction(() => document.querySelector("time[data-moment]")?.hasAttribute("title") ?? true);
  const png = smallPng(await page.screenshot({ animations: "disabled" }));
  await writeFile(join(folder, `${name}.png`), png);
  console.log(`${basename(folder)}/${name}.png  ${Math.round(png.length / 1_000)} kB`);
  await context.close();
}
