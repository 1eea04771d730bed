// time limit: 300 s
import type { Page } from "playwright-core";
import * as assert from "uvu/assert";
import { complaintsOf, excessWidth, NARROW, openBrowser, seriousFaults } from "./browser.ts";
import { browserSuite } from "./browser-suite.ts";
import { Cable } from "./cable.ts";
import { basic, everyPage, ODD, ODD_CHANGE, webWorld } from "./world.ts";

const { test, run } = browserSuite("pages in a real browser");

test("a build that runs is seen to end without a reload, and so is the first page", async () => {
  await using world = await webWorld();
  await using browser = await openBrowser();
  await world.begin();
  const page = await browser.newPage();
  const found = complaintsOf(page);
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
  await world.kit.addChange(ODD_CHANGE);
  await world.build(ODD, "failure", { reason: ODD, branch: ODD, revision: ODD });
  const page = await browser.newPage();
  const found = complaintsOf(page);
  for (const path of [...everyPage(ODD), "/nothing"]) await page.goto(`${world.url}${path}`);
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
  const extraHTTPHeaders = await world.hand();
  for (const colorScheme of ["light", "dark"] as const) {
    const context = await browser.newContext({ colorScheme, viewport: NARROW, extraHTTPHeaders });
    const page = await context.newPage();
    for (const path of [...everyPage(), "/nothing"]) {
      await page.goto(`${world.url}${path}`);
      assert.is(await excessWidth(page), 0, `${path} is wider than the screen`);
      assert.equal(await seriousFaults(page), [], `${path} ${colorScheme}`);
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
    extraHTTPHeaders: basic(token),
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

run();
