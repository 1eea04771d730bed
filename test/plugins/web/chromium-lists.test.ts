import { suite } from "uvu";
import * as assert from "uvu/assert";
import { executable, missing, openBrowser } from "./browser.ts";
import { webWorld } from "./world.ts";

const lists = suite("lists in a real browser");
if (executable === undefined) console.log(missing);
const test = executable === undefined ? lists.skip : lists;

test("the times of the waterfall are asked for in the reader's zone, and are UTC in its address", async () => {
  await using world = await webWorld();
  await world.build("plain");
  await using browser = await openBrowser();
  const context = await browser.newContext({ timezoneId: "Asia/Kolkata" });
  const page = await context.newPage();
  await page.goto(`${world.url}/waterfall?from=2026-07-01T12:00`);
  const from = page.getByLabel("From", { exact: true });
  assert.is(await from.inputValue(), "2026-07-01T17:30");
  await from.fill("2026-07-02T05:30");
  await page.getByRole("button", { name: "Show" }).click();
  await page.waitForURL(/from=2026-07-02/);
  assert.equal(new URL(page.url()).searchParams.get("from"), "2026-07-02T00:00");
  assert.is(new URL(page.url()).searchParams.get("until"), "");
  assert.is(await from.inputValue(), "2026-07-02T05:30");
  const plain = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
  await plain.goto(`${world.url}/waterfall?from=2026-07-01T12:00`);
  assert.is(await plain.getByLabel("From (UTC)").inputValue(), "2026-07-01T12:00");
});

test("what is printed has all of a table, and nothing to press", async () => {
  await using world = await webWorld();
  await world.kit.call("builders.pause", { builder: "plain" });
  await world.kit.call("schedulers.force", { scheduler: "by hand", builders: ["plain"] });
  const token = await world.token("hand", { scopes: ["control"] });
  await using browser = await openBrowser();
  const context = await browser.newContext({ extraHTTPHeaders: { authorization: `Bearer ${token}` } });
  const page = await context.newPage();
  await page.goto(`${world.url}/requests`);
  const ask = page.locator(".ask");
  assert.ok(await ask.isVisible());
  await page.emulateMedia({ media: "print" });
  assert.not.ok(await ask.isVisible());
  assert.not.ok(await page.locator(".top").isVisible());
  assert.is(await page.locator(".scroll").evaluate((one) => getComputedStyle(one).overflowX), "visible");
  await page.goto(`${world.url}/waterfall`);
  assert.is(await page.locator(".tall thead").evaluate((one) => getComputedStyle(one).position), "static");
});

lists.run();
