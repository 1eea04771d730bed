// time limit: 300 s
import type { BrowserContextOptions, Page } from "playwright-core";
import * as assert from "uvu/assert";
import { bigLogWorld, ERRORS, LINES, NEEDLES } from "./big-log.ts";
import { complaintsOf, excessWidth, NARROW, openBrowser, seriousFaults } from "./browser.ts";
import { browserSuite } from "./browser-suite.ts";
import { Cable } from "./cable.ts";
import { numbered, talkingWorld } from "./log-world.ts";

const { test, run } = browserSuite("logs in a real browser");

const MOST = 2_000;

/** A page that notes what a browser complains about, and the most elements that the lines ever had. */
async function openPage(browser: Awaited<ReturnType<typeof openBrowser>>, options: BrowserContextOptions = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints = complaintsOf(page);
  page.on("popup", () => complaints.push("a window was opened"));
  await page.addInitScript(() => {
    const counts = { most: 0 };
    Object.assign(window, { counts });
    new MutationObserver(() => {
      const size = document.querySelectorAll("ol.lines *").length;
      counts.most = Math.max(counts.most, size);
    }).observe(document, { childList: true, subtree: true });
  });
  return { page, complaints };
}

const mostNodes = (page: Page) => page.evaluate(() => (window as unknown as { counts: { most: number } }).counts.most);
/** The address as it is in the page; the driver hears of it later. */
const address = (page: Page) => page.evaluate(() => location.href);
const told = (page: Page) => page.locator(".told");
const picked = (page: Page) =>
  page.evaluate(() => Array.from(document.querySelectorAll(".lines .picked"), ({ id }) => id));
/** The numbers of the lines in the page, which have to follow each other. */
async function shown(page: Page): Promise<[first: number, last: number]> {
  const numbers = await page.evaluate(() =>
    Array.from(document.querySelectorAll("ol.lines li"), ({ id }) => Number(id.slice(1))),
  );
  assert.equal(
    numbers,
    numbers.map((_, i) => (numbers[0] ?? 0) + i),
  );
  return [numbers[0] ?? 0, numbers.at(-1) ?? 0];
}
/** Turns the wheel until enough lines came. */
async function scroll(page: Page, by: number, until: (range: [first: number, last: number]) => boolean) {
  for (let i = 0; i < 100 && !until(await shown(page)); i++) {
    await page.mouse.wheel(0, by);
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
  }
  assert.ok(until(await shown(page)), String(await shown(page)));
}
const inSight = (page: Page, line: number) =>
  page.waitForFunction((id) => {
    const { top = -1, bottom = -1 } = document.getElementById(id)?.getBoundingClientRect() ?? {};
    return top >= 0 && bottom <= window.innerHeight;
  }, `L${line}`);

test("a log of a million lines opens at any line, range or end by its address, and by keys", async () => {
  await using world = await bigLogWorld();
  await using browser = await openBrowser();
  const { page, complaints } = await openPage(browser);
  await page.goto(`${world.log}#L500000`);
  await inSight(page, 500_000);
  assert.equal(await picked(page), ["L500000"]);
  await page.goto("about:blank");
  await page.goto(`${world.log}?from=700000#L700003-L700005`);
  await inSight(page, 700_003);
  assert.equal(await picked(page), ["L700003", "L700004", "L700005"]);
  await page.keyboard.press("G");
  await inSight(page, LINES);
  assert.is((await shown(page))[1], LINES);
  await page.keyboard.press("g");
  await inSight(page, 1);
  await page.evaluate(() => {
    location.hash = "#L2000000";
  });
  await page.getByText("There is no line 2000000. The last one is 1000000.").waitFor();
  await inSight(page, LINES);
  await page.goto(`${world.log}?from=5000000`);
  await page.getByText("There is no line 5000000. These are the last ones.").waitFor();
  assert.is((await shown(page))[1], LINES);
  assert.equal(complaints, []);
});

test("however long somebody scrolls through a million lines, the page has no more than 2,000 elements of them", async () => {
  await using world = await bigLogWorld();
  await using browser = await openBrowser();
  const { page, complaints } = await openPage(browser);
  await page.goto(`${world.log}?from=400000`);
  await page.mouse.move(300, 300);
  await page.locator("#L399900").waitFor({ state: "attached" });
  await scroll(page, 8_000, ([, last]) => last > 403_000);
  await scroll(page, -8_000, ([first]) => first < 399_500);
  const most = await mostNodes(page);
  assert.ok(most > 1_000 && most <= MOST, String(most));
  assert.equal(complaints, []);
});

test("a search counts in all of a million lines, and goes from hit to hit, and so do errors", async () => {
  await using world = await bigLogWorld();
  await using browser = await openBrowser();
  const { page, complaints } = await openPage(browser);
  await page.goto(world.log);
  await page.keyboard.press("/");
  await page.keyboard.type("NEEDLE");
  await page.keyboard.press("Enter");
  await page.getByText(`1 of 3 lines that have NEEDLE, of ${LINES} in all.`).waitFor();
  await page.getByLabel("Find").blur();
  for (const [key, hit] of [
    ["", 0],
    ["n", 1],
    ["n", 2],
    ["n", 2],
    ["N", 1],
    ["N", 0],
    ["n", 1],
  ] as const) {
    if (key !== "") await page.keyboard.press(key);
    await inSight(page, NEEDLES[hit] ?? 0);
    await page.getByText(`${hit + 1} of 3 lines`).waitFor();
    assert.equal(await picked(page), [`L${NEEDLES[hit]}`]);
  }
  assert.is(await page.locator(`#L${NEEDLES[1]} mark`).textContent(), "needle");
  await page.keyboard.press("e");
  await page.getByText("2 of 3 lines that name an error").waitFor();
  await inSight(page, ERRORS[1] ?? 0);
  await page.keyboard.press("e");
  await inSight(page, ERRORS[2] ?? 0);
  await page.keyboard.press("N");
  await page.keyboard.press("N");
  await page.getByText("1 of 3 lines that name an error").waitFor();
  await inSight(page, ERRORS[0] ?? 0);
  await page.goto(`${world.log}?find=compiled&hit=999996`);
  await page.getByText(`799997 of 800000 lines`).waitFor();
  await page.getByRole("link", { name: "previous" }).click();
  await page.getByText(`799996 of 800000 lines`).waitFor();
  assert.equal(complaints, []);
});

test("a click picks a line, one with shift a range, and arrows do it too; the address is a permalink", async () => {
  await using world = await talkingWorld(numbered(3_000));
  world.end();
  await using browser = await openBrowser();
  const { page, complaints } = await openPage(browser);
  await page.goto(`${world.log}?from=1000`);
  await page.locator("#L1010 .number").click();
  assert.equal(await picked(page), ["L1010"]);
  await page.locator("#L1013 .number").click({ modifiers: ["Shift"] });
  assert.match(await address(page), /\?from=1005#L1010-L1013$/);
  assert.is(await told(page).textContent(), "Lines 1010 to 1013 are in the address.");
  await page.locator("#L1008 .number").click({ modifiers: ["Shift"] });
  assert.equal(await picked(page), ["L1008", "L1009", "L1010"]);
  await page.keyboard.press("Shift+ArrowUp");
  assert.match(await address(page), /#L1007-L1010$/);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  assert.match(await address(page), /#L1008$/);
  await page.keyboard.press("Shift+ArrowDown");
  await page.reload();
  await inSight(page, 1_009);
  assert.equal(await picked(page), ["L1008", "L1009"]);
  const tabbable = await page.evaluate(() => document.querySelectorAll(".lines .number:not([tabindex='-1'])").length);
  assert.is(tabbable, 1);
  assert.equal(complaints, []);
});

test("long lines in one row, and times, are switched on for good", async () => {
  await using world = await talkingWorld(`${"long ".repeat(200)}\n${numbered(20)}`);
  world.end();
  await using browser = await openBrowser();
  const { page } = await openPage(browser, { viewport: NARROW, timezoneId: "Asia/Tokyo" });
  await page.goto(world.log);
  const height = () => page.evaluate(() => document.getElementById("L1")?.getBoundingClientRect().height ?? 0);
  const width = () => page.evaluate(() => document.documentElement.scrollWidth);
  const wrapped = await height();
  await page.getByRole("button", { name: "Long lines in one row" }).click();
  await page.getByRole("button", { name: "Times" }).click();
  await page.reload();
  assert.ok((await height()) < wrapped / 5);
  assert.is(await width(), 390, "the lines scroll, the page does not");
  assert.is(await page.getByRole("button", { name: "Times" }).getAttribute("aria-pressed"), "true");
  const [time, title] = await page.evaluate(() => {
    const line = document.getElementById("L2");
    const content = line ? getComputedStyle(line, "::before").content : "";
    return [content, line?.querySelector("a")?.title.split(" ")[0] ?? ""];
  });
  const tokyo = new Date(new Date(title).getTime() + 9 * 3_600_000).toISOString();
  assert.is(time, `"${tokyo.slice(11, 23)}"`);
});

test("a log that grows is followed until the reader scrolls up, and again when he wants to", async () => {
  await using world = await talkingWorld(numbered(1_000));
  await using browser = await openBrowser();
  const { page, complaints } = await openPage(browser);
  await page.goto(world.log);
  const button = page.locator("button.follow");
  await button.click();
  await inSight(page, 1_000);
  await world.write(numbered(5, 1_000));
  await inSight(page, 1_005);
  assert.is(await button.textContent(), "Following");
  await page.mouse.move(300, 300);
  await page.mouse.wheel(0, -3_000);
  await page.getByRole("button", { name: "Follow", exact: true }).waitFor();
  const place = await page.evaluate(() => window.scrollY);
  await world.write(numbered(5_000, 1_005));
  await page.getByText("of 6005, and more to come").first().waitFor();
  assert.is(await page.evaluate(() => window.scrollY), place);
  await button.click();
  await inSight(page, 6_005);
  await world.write(numbered(4_000, 6_005));
  await inSight(page, 10_005);
  await shown(page);
  world.end();
  await button.waitFor({ state: "hidden" });
  assert.ok((await mostNodes(page)) <= MOST);
  assert.equal(complaints, []);
});

test("a log of which all is in sight is followed from the beginning", async () => {
  await using world = await talkingWorld(numbered(3));
  await using browser = await openBrowser();
  const { page } = await openPage(browser);
  await page.goto(world.log);
  await page.getByRole("button", { name: "Following" }).waitFor();
  await world.write(numbered(200, 3));
  await inSight(page, 203);
});

test("a log is followed on after a stream that stalled, and one that was removed is told", async () => {
  await using world = await talkingWorld(numbered(1_000));
  await using cable = new Cable(Number(new URL(world.url).port));
  await using browser = await openBrowser();
  const { page } = await openPage(browser);
  await page.goto(`${await cable.open()}${new URL(world.log).pathname}?from=-500#end`);
  await page.getByRole("button", { name: "Following" }).waitFor();
  cable.cut();
  await page.locator("#stale").waitFor({ state: "visible" });
  await world.write(numbered(2_000, 1_000));
  cable.mend();
  await inSight(page, 3_000);
  await page.route("**/web/snippets/**", (route) => route.fulfill({ status: 404, body: "" }));
  await page.keyboard.press("g");
  await page.getByText("This log is no longer there").waitFor();
  assert.ok((await shown(page))[1] > 0, "what is there stays");
});

test("sequences of a terminal drive nothing, and lines of many colours leave the page light", async () => {
  const rainbow = Array.from({ length: 300 }, (_, i) => `\u001b[3${i % 8}mx`).join("");
  const hostile = [
    "\u001b]0;owned\u0007\u001b]2;owned\u0007title",
    "\u001b[2J\u001b[H\u001b[?1049hcleared",
    "\u001b]8;;javascript:alert(1)\u0007click\u001b]8;;\u0007",
    "\u001b]8;;https://evil.example/\u0007https://good.example/\u001b]8;;\u0007",
    "\u001b[8mhidden\u001b[0m",
    "shown first\rshown last",
    "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "\u001b[5m\u202eback\u202c",
  ];
  await using world = await talkingWorld(`${hostile.join("\n")}\n${`${rainbow}\n`.repeat(2_000)}the end\n`);
  world.end();
  await using browser = await openBrowser();
  const { page, complaints } = await openPage(browser);
  await page.goto(world.log);
  assert.is(await page.title(), "out of talks #1 · Belfry");
  assert.match(await page.locator("#L2").innerText(), "cleared");
  assert.is(await page.locator("#L3 code a").count(), 0);
  assert.is(await page.locator("#L4 code a").getAttribute("data-host"), "evil.example");
  assert.ok(await page.getByText("hidden").isVisible());
  assert.is(await page.locator("#L6 i").getAttribute("title"), "shown first");
  await page.mouse.move(300, 300);
  await scroll(page, 2_000, ([, last]) => last > 200);
  await page.keyboard.press("G");
  await page.getByText("the end").waitFor();
  assert.ok((await mostNodes(page)) <= MOST, String(await mostNodes(page)));
  assert.equal(complaints, []);
});

test("without JavaScript there are ranges, the way on, search and errors from hit to hit, and plain text", async () => {
  await using world = await bigLogWorld();
  await using browser = await openBrowser();
  const { page } = await openPage(browser, { javaScriptEnabled: false });
  const first = () => page.locator("ol.lines li").first().getAttribute("id");
  await page.goto(`${world.log}?from=500000&lines=20`);
  assert.equal([await first(), await page.locator("ol.lines li").count()], ["L500000", 20]);
  await page.getByRole("link", { name: "Later lines" }).first().click();
  assert.is(await first(), "L500020");
  await page.getByRole("link", { name: "times", exact: true }).first().click();
  assert.is(await page.locator("ol.lines.timed").count(), 1);
  await page.getByLabel("Line").fill("-10");
  await page.getByRole("button", { name: "Go" }).click();
  assert.is(await first(), "L999991");
  await page.getByLabel("Find").fill("needle");
  await page.getByRole("button", { name: "Search" }).click();
  assert.is(await page.locator(".picked").getAttribute("id"), `L${NEEDLES[0]}`);
  await page.getByRole("link", { name: "next", exact: true }).click();
  assert.is(await page.locator(".picked").getAttribute("id"), `L${NEEDLES[1]}`);
  await page.getByRole("link", { name: "previous" }).click();
  assert.match(await page.locator(".hits").innerText(), /^1 of 3 lines/);
  await page.getByRole("link", { name: "list them" }).click();
  assert.is(await page.locator("ol.lines li").count(), 3);
  await page.getByRole("link", { name: "errors" }).click();
  assert.is(await page.locator(".picked").getAttribute("id"), `L${ERRORS[0]}`);
  const text = await world.get(`${new URL(world.log).pathname}/text?from=5&lines=2`);
  assert.match(text.body, /^\[5\] [^\u001b]* ok =+\n\[6\] .*\n$/);
});

test("one line of 50 MB is shown cut, searched and downloaded whole", async () => {
  const SIZE = 50_000_000;
  await using world = await talkingWorld("begun\n");
  const chunk = "abcdefghi ".repeat(100_000);
  for (let done = 0; done < SIZE; done += chunk.length) await world.write(chunk);
  await world.write("needle\nafter\n");
  world.end();
  await world.kit.event("build.finished");
  await using browser = await openBrowser();
  const { page, complaints } = await openPage(browser);
  await page.goto(world.log);
  await page
    .getByText(/^… 10000 of \d+ characters; all of them$/)
    .first()
    .waitFor();
  await page.goto(`${world.log}?find=needle`);
  await page.locator("mark").waitFor();
  await page.keyboard.press("G");
  await page.locator("code", { hasText: "after" }).waitFor();
  const raw = await fetch(`${world.log}/raw`);
  let size = 0;
  for await (const part of raw.body as unknown as AsyncIterable<Uint8Array>) size += part.length;
  assert.ok(size >= SIZE, String(size));
  assert.ok((await mostNodes(page)) <= MOST);
  assert.equal(complaints, []);
});

test("a log needs no sideways scrolling on a narrow screen, and axe finds no serious fault, light and dark", async () => {
  const colours = Array.from(
    { length: 16 },
    (_, i) => `\u001b[${i < 8 ? 30 + i : 82 + i}mcolour ${i}\u001b[${i < 8 ? 40 + i : 92 + i};39mground\u001b[0m`,
  );
  const more = [
    "\u001b[7minverse\u001b[0m",
    "\u001b[2mdim\u001b[0m",
    "a\rb",
    "error: it broke",
    "see https://example.org/x",
  ];
  await using world = await talkingWorld(`${[...colours, ...more].join("\n")}\n${numbered(60)}`);
  await using browser = await openBrowser();
  for (const colorScheme of ["light", "dark"] as const) {
    const { page, complaints } = await openPage(browser, { colorScheme, viewport: NARROW });
    const queries = ["", "?errors=1", "?find=line&list=1", "?from=9999", "#L3-L18"];
    for (const query of colorScheme === "dark" ? queries.slice(0, 2) : queries) {
      await page.goto("about:blank");
      await page.goto(`${world.log}${query}`);
      if (query === "") for (const button of await page.locator("[data-switch]").all()) await button.click();
      assert.is(await excessWidth(page), 0, `${query} is wider than the screen`);
      assert.equal(await seriousFaults(page), [], `${query} ${colorScheme}`);
    }
    assert.equal(complaints, []);
  }
});

run();
