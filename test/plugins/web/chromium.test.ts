// time limit: 300 s
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { segment } from "../../../plugins/web/src/urls.ts";
import { executable, missing, openBrowser } from "./browser.ts";
import { Cable } from "./cable.ts";
import { ODD, webWorld } from "./world.ts";

const pages = suite("pages in a real browser");
if (executable === undefined) console.log(missing);
const test = executable === undefined ? pages.skip : pages;

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const ALL = [
  "/",
  "/builders",
  "/builders/plain",
  "/builders/plain/builds/1",
  "/builders/plain/builds/1/steps/1/logs/1",
  "/requests",
  "/requests/1",
  "/buildsets/1",
  "/changes",
  "/changes/1",
  "/workers",
  "/workers/w",
  "/schedulers",
  "/sources",
  "/waterfall",
  "/console",
  "/grid",
  "/tgrid",
  "/plugins",
  "/about",
  "/nothing",
];

/** What a browser complains about, such as something that the policy forbids. */
function complaints(page: Page): string[] {
  const found: string[] = [];
  page.on("pageerror", (error) => found.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" && !/status of 404/.test(message.text())) found.push(message.text());
  });
  page.on("dialog", (dialog) => {
    found.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  return found;
}

test("a build that runs is seen to end without a reload, and so is the first page", async () => {
  await using world = await webWorld();
  await using browser = await openBrowser();
  await world.begin();
  const page = await browser.newPage();
  const found = complaints(page);
  await page.goto(`${world.url}/builders/slow/builds/1`);
  await page.evaluate(() => Object.assign(window, { same: true }));
  await page.locator(".result .running").waitFor();
  const first = await browser.newPage();
  await first.goto(world.url);
  await first.locator('a[href="/builders/slow/builds/1"]').first().waitFor();
  world.release();
  await page.locator(".result .success").waitFor({ timeout: 10_000 });
  await first.locator('[data-name="home.last"] .state.success').waitFor({ timeout: 10_000 });
  await first.getByText("Nothing runs.").waitFor({ timeout: 10_000 });
  assert.is(await page.evaluate(() => (window as unknown as { same?: boolean }).same), true);
  assert.equal(found, []);
});

test("a part of a page that was refused is asked for again", async () => {
  await using world = await webWorld();
  await using browser = await openBrowser();
  await world.begin();
  const page = await browser.newPage();
  await page.goto(`${world.url}/builders/slow/builds/1`);
  await page.locator(".result .running").waitFor();
  let refused = 0;
  await page.route("**/web/snippets/build.head?*", (route) => {
    refused += 1;
    return refused === 1 ? route.fulfill({ status: 429, body: "too fast" }) : route.continue();
  });
  world.release();
  await page.locator(".result .success").waitFor({ timeout: 20_000 });
  assert.is.not(refused, 0, "or this test could not fail");
});

test("a stream that breaks is told, and the page catches up by itself", async () => {
  await using world = await webWorld();
  await using browser = await openBrowser();
  const page = await browser.newPage();
  await using cable = new Cable(Number(new URL(world.url).port));
  await page.goto(`${await cable.open()}/builders`);
  const row = page.locator('[data-snippet*="builder=plain"]');
  await row.getByText("never built").waitFor();
  cable.cut();
  await page.locator("#stale").waitFor({ state: "visible", timeout: 10_000 });
  await world.build("plain");
  cable.mend();
  await row.locator(".success").first().waitFor({ timeout: 40_000 });
  await page.locator("#stale").waitFor({ state: "hidden" });
});

test("light and dark are the reader's, by his system and by the switch, which is remembered", async () => {
  await using world = await webWorld();
  await using browser = await openBrowser();
  const paper = (page: Page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const page = await browser.newPage({ colorScheme: "dark" });
  await page.goto(`${world.url}/builders`);
  const dark = await paper(page);
  const button = page.locator("#theme");
  await button.click();
  assert.is(await button.textContent(), "Theme: light");
  const light = await paper(page);
  assert.is.not(light, dark);
  await page.reload();
  assert.is(await paper(page), light);
  await button.click();
  assert.is(await paper(page), dark);
});

test("nothing is executed and nothing is forbidden on any page, with the worst of names", async () => {
  await using world = await webWorld();
  await using browser = await openBrowser();
  await world.kit.addChange({
    author: ODD,
    comments: ODD,
    branch: ODD,
    revision: ODD,
    repository: ODD,
    files: [ODD],
    link: "javascript:alert(1)",
  });
  await world.build(ODD, "failure", { reason: ODD, branch: ODD, revision: ODD });
  const page = await browser.newPage();
  const found = complaints(page);
  const odd = segment(ODD);
  for (const path of ALL) await page.goto(`${world.url}${path.replace("plain", odd)}`);
  await page.goto(`${world.url}/builders`);
  await page.getByRole("link", { name: ODD, exact: true }).first().click();
  assert.is(await page.locator("h1").textContent(), ODD);
  assert.equal(found, []);
});

test("a narrow screen needs no sideways scrolling, and axe finds no serious fault, light and dark", async () => {
  await using world = await webWorld();
  await using browser = await openBrowser();
  await world.kit.addChange({ author: "Ada", comments: "mend it", revision: "5f6c835a", files: ["a.c"] });
  await world.build("plain", "failure", { revision: "5f6c835a" });
  await world.kit.event("build.explained");
  await world.kit.call("builders.pause", { builder: "plain", reason: "for the test" });
  await world.kit.call("schedulers.force", { scheduler: "by hand", builders: ["plain"] });
  const token = await world.token("hand", { scopes: ["control"] });
  for (const colorScheme of ["light", "dark"] as const) {
    const context = await browser.newContext({
      colorScheme,
      viewport: { width: 390, height: 800 },
      extraHTTPHeaders: { authorization: `Bearer ${token}` },
    });
    const page = await context.newPage();
    for (const path of ALL) {
      await page.goto(`${world.url}${path}`);
      const [wide, width] = await page.evaluate(() => [
        document.documentElement.scrollWidth,
        document.documentElement.clientWidth,
      ]);
      assert.ok((wide ?? 0) <= (width ?? 0), `${path} is ${wide} wide`);
      await page.evaluate(axe);
      const serious = await page.evaluate(async () => {
        const { violations } = await (
          window as unknown as {
            axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> };
          }
        ).axe.run();
        return violations
          .filter(({ impact }) => impact === "serious" || impact === "critical")
          .map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
      });
      assert.equal(serious, [], `${path} ${colorScheme}`);
    }
    await context.close();
  }
});

test("without JavaScript everything is there, and a form does its work", async () => {
  await using world = await webWorld();
  await using browser = await openBrowser();
  const token = await world.token("hand", { scopes: ["control"] });
  const context = await browser.newContext({
    javaScriptEnabled: false,
    extraHTTPHeaders: { authorization: `Basic ${Buffer.from(`me:${token}`).toString("base64")}` },
  });
  const page = await context.newPage();
  await page.goto(`${world.url}/builders/plain`);
  await page.getByText("Build now with by hand").click();
  await page.getByRole("group", { name: "What to build" }).first().getByLabel("Reason").fill("by keyboard");
  await page.getByRole("button", { name: "Build", exact: true }).first().click();
  await page.waitForURL("**/buildsets/1");
  await world.kit.buildsetEnd(1);
  await page.reload();
  assert.match(await page.locator("main").innerText(), /by keyboard/);
  await page.getByRole("link", { name: "#1", exact: true }).click();
  await page.waitForURL("**/builders/plain/builds/1");
  assert.match(await page.locator(".result").innerText(), /success/);
});

test("the keyboard reaches everything, and the focus is seen", async () => {
  await using world = await webWorld();
  await using browser = await openBrowser();
  const page = await browser.newPage();
  await page.goto(`${world.url}/builders`);
  await page.keyboard.press("Tab");
  assert.is(await page.evaluate(() => document.activeElement?.textContent), "Skip to the content");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assert.is(await page.evaluate(() => document.activeElement?.getAttribute("name")), "q");
  assert.is.not(await page.evaluate(() => getComputedStyle(document.activeElement as Element).outlineStyle), "none");
  await page.keyboard.type("plain");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/builders\?q=plain/);
});

// A master that waits for a worker's word has nothing that keeps the process running.
let alive: NodeJS.Timeout;
pages.before(() => {
  alive = setInterval(() => {}, 1_000);
});
pages.after(() => clearInterval(alive));

pages.run();
