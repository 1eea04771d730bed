import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Browser, chromium, type Page } from "playwright-core";

/** Debian's Chromium, which `.ci/run` installs; nothing else is fetched. */
export const executable = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) =>
  existsSync(path),
);

export const missing = "skipped: there is no Chromium here; `apt-get install chromium` gets one";

export async function openBrowser(...args: string[]): Promise<Browser & AsyncDisposable> {
  return (await chromium.launch({ executablePath: executable as string, args: ["--no-sandbox", ...args] })) as Browser &
    AsyncDisposable;
}

/** The screen of a telephone. */
export const NARROW = { width: 390, height: 800 };

/** What a browser complains about from now on, such as something that the policy forbids; an answer may be an error as told. */
export function complaintsOf(page: Page, expected = /status of 404/): string[] {
  const found: string[] = [];
  page.on("pageerror", (error) => found.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" && !expected.test(message.text())) found.push(message.text());
  });
  page.on("dialog", (dialog) => {
    found.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  return found;
}

/** How many pixels a page is wider than what it is shown in. */
export function excessWidth(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

interface Axe {
  run(options: object): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>;
}

/** The serious faults of a page by axe, of all its rules unless some are named. */
export async function seriousFaults(page: Page, rules?: readonly string[]): Promise<string[]> {
  await page.evaluate(readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8"));
  const { violations } = await page.evaluate(
    (options) => (window as unknown as { axe: Axe }).axe.run(options),
    rules === undefined ? {} : { runOnly: [...rules] },
  );
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
}
