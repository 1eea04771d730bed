// time limit: 240 s
import type { Page } from "playwright-core";
import * as assert from "uvu/assert";
import { complaintsOf, excessWidth, NARROW, openBrowser, seriousFaults } from "../web/browser.ts";
import { browserSuite } from "../web/browser-suite.ts";
import { authWorld } from "./world.ts";

const { test, run } = browserSuite("sign in and out, in a real browser");

/** What is refused here is refused on purpose. */
const complaints = (page: Page) => complaintsOf(page, /status of 40/);

/** Fills in the form of the page at which somebody is. */
async function signIn(page: Page, user: string): Promise<void> {
  await page.getByLabel("User").fill(user);
  await page.getByLabel("Password").fill(`${user}!`);
  await page.getByRole("button", { name: "Sign in" }).click();
}

const isPaused = async (page: Page) => (await page.getByRole("button", { name: "Resume" }).count()) > 0;

for (const script of [true, false]) {
  test(`somebody signs in with a password, pauses a builder, and signs out, ${script ? "with" : "without"} script`, async () => {
    await using world = await authWorld();
    await using browser = await openBrowser();
    const page = await browser.newPage({ javaScriptEnabled: script });
    const complained = complaints(page);
    await page.goto(`${world.url}/builders/plain`);
    assert.is(await page.getByRole("button", { name: "Pause" }).count(), 0);
    await page.getByRole("link", { name: "Sign in" }).click();
    await page.getByLabel("User").fill("ada");
    await page.getByLabel("Password").fill("wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    assert.match(await page.getByRole("alert").innerText(), "You are not signed in.");
    await page.getByLabel("User").fill("ada");
    await page.getByLabel("Password").fill("ada!");
    await page.keyboard.press("Enter");
    await page.getByText("signed in as ada").waitFor();
    assert.is(new URL(page.url()).pathname, "/builders/plain", "back to where he was");
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByRole("button", { name: "Resume" }).waitFor();
    assert.is((await world.kit.call("builders.get", { builder: "plain" })).pausedBy, "ada");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByText("You are signed out.").waitFor();
    await page.goBack();
    await page.reload();
    assert.is(await isPaused(page), false, "no button for who is nobody");
    assert.equal(complained, []);
  });
}

test("the administrator's link signs in by its button, once", async () => {
  await using world = await authWorld({}, { access: { anonymous: "none" } });
  await using browser = await openBrowser();
  const page = await browser.newPage();
  const { path } = await world.kit.call("links.add");
  await page.goto(`${world.url}/builders`);
  assert.match(page.url(), /\/login\?to=%2Fbuilders$/);
  await page.goto(world.url + path);
  await page.goto(world.url + path);
  await page.getByRole("main").getByRole("button", { name: "Sign in" }).click();
  await page.getByText("signed in as administrator").waitFor();
  assert.is(new URL(page.url()).pathname, "/");
  const other = await (await browser.newContext()).newPage();
  await other.goto(world.url + path);
  await other.getByRole("main").getByRole("button", { name: "Sign in" }).click();
  assert.match(await other.getByRole("alert").innerText(), "does not sign in any more");
});

test("a page of another site signs nobody in or out, and does nothing in a reader's name", async () => {
  await using world = await authWorld();
  await using browser = await openBrowser();
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${world.url}/login`);
  await signIn(page, "ada");
  await page.getByText("signed in as ada").waitFor();
  const other = await context.newPage();
  // The same machine under another name is another site, whose pages this browser sends no cookie for.
  const site = world.url.replace("127.0.0.1", "localhost");
  await other.route(`${site}/evil`, (route) => {
    const form = (action: string, fields: Record<string, string>) =>
      `<form method="post" action="${world.url}${action}">${Object.entries(fields)
        .map(([name, value]) => `<input name="${name}" value="${value}">`)
        .join("")}<button>${action}</button></form>`;
    return route.fulfill({
      contentType: "text/html",
      body: `${form("/do/pause", { builder: "plain" })}${form("/auth/sign-out", { everywhere: "yes" })}${form("/auth/sign-in", { user: "eve", password: "eve!" })}`,
    });
  });
  for (const action of ["/do/pause", "/auth/sign-out", "/auth/sign-in"]) {
    await other.goto(`${site}/evil`);
    const [answer] = await Promise.all([
      other.waitForResponse((response) => response.url() === world.url + action),
      other.getByRole("button", { name: action }).click(),
    ]);
    assert.is(answer.status(), 403, action);
  }
  await page.reload();
  await page.getByText("signed in as ada").waitFor();
  assert.is((await world.kit.call("builders.get", { builder: "plain" })).paused, false);
});

test("somebody makes a token and revokes it; the administrator reads of it in the audit", async () => {
  await using world = await authWorld();
  await using browser = await openBrowser();
  const page = await browser.newPage();
  const complained = complaints(page);
  await page.goto(`${world.url}/login?to=/tokens`);
  await signIn(page, "ada");
  await page.getByLabel("Name").fill("laptop");
  await page.getByRole("button", { name: "Make a token" }).click();
  assert.match(await page.getByLabel("Token", { exact: true }).inputValue(), /^belfry_own_/);
  await page.getByRole("link", { name: "Your tokens" }).click();
  await page.getByText("Revoke…").click();
  await page.getByRole("button", { name: "Revoke laptop" }).click();
  await page.getByText("You have none.").waitFor();
  await page.getByRole("link", { name: "Audit" }).click();
  assert.is(await page.getByRole("row").filter({ hasText: "ownTokens." }).count(), 2);
  assert.equal(complained, []);
});

test("the pages are accessible, light and dark, and fit into 390 pixels", async () => {
  await using world = await authWorld();
  await using browser = await openBrowser();
  for (const colorScheme of ["light", "dark"] as const) {
    const context = await browser.newContext({ colorScheme, viewport: NARROW, bypassCSP: true });
    const page = await context.newPage();
    const { path } = await world.kit.call("links.add");
    const look = async (address: string) => {
      await page.goto(world.url + address);
      assert.is(await excessWidth(page), 0, `${address} is wider than the screen`);
      assert.equal(await seriousFaults(page), [], `${address} ${colorScheme}`);
    };
    await look(path);
    await look("/tokens");
    await look("/login?fault=BELFRY_AUTH_REFUSED");
    await signIn(page, "ada");
    await page.getByText("signed in as ada").waitFor();
    for (const address of ["/", "/tokens", "/audit", "/login"]) await look(address);
  }
});

run();
