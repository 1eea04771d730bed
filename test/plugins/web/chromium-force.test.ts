// time limit: 120 s
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { force } from "@belfry/schedulers";
import { step } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { executable, missing, openBrowser } from "./browser.ts";
import { basic, webWorld } from "./world.ts";

const forms = suite("the form to build now, in a real browser");
if (executable === undefined) console.log(missing);
const test = executable === undefined ? forms.skip : forms;

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
interface Violation {
  id: string;
  impact: string;
}

for (const javaScriptEnabled of [true, false])
  test(`what was typed is still there after a refusal, and builds once it is corrected, ${javaScriptEnabled ? "with" : "without"} script`, async () => {
    const steps = [step({ run: () => ({ result: "success" as const }) })];
    const parameters = [
      { type: "string" as const, name: "version", label: "Version", pattern: /^\d+\.\d+$/ },
      { type: "int" as const, name: "jobs", label: "Jobs", max: 16, default: 4 },
      { type: "boolean" as const, name: "clean", label: "Start clean", default: true },
      { type: "text" as const, name: "notes", label: "Notes", help: "for the people who read it" },
      { type: "file" as const, name: "patch", label: "Patch" },
    ];
    await using world = await webWorld(
      {},
      {
        builders: [{ name: "plain", workers: ["w"], steps }],
        schedulers: [force({ name: "by hand", builders: ["plain"], parameters })],
      },
    );
    const headers = basic(await world.token("hand", { scopes: ["control"] }));
    await using browser = await openBrowser();
    const context = await browser.newContext({
      viewport: { width: 390, height: 800 },
      javaScriptEnabled,
      extraHTTPHeaders: headers,
    });
    const page = await context.newPage();
    const choose = () =>
      page.getByLabel("Patch").setInputFiles({ name: "a.patch", mimeType: "text/plain", buffer: Buffer.from("+x\n") });
    await page.goto(`${world.url}/builders/plain`);
    await page.getByText("Build now with by hand").click();
    await page.getByLabel("Version").fill("one");
    await page.getByLabel("Start clean").uncheck();
    await page.getByLabel("Notes").fill("a long text\nof two lines");
    await choose();
    await page.getByRole("button", { name: "Build" }).click();

    await page.getByRole("alert").getByText("Version: expected a text that fits").waitFor();
    assert.is(await page.getByLabel("Version").getAttribute("aria-invalid"), "true");
    assert.is(await page.getByLabel("Start clean").isChecked(), false);
    assert.is(await page.getByLabel("Notes").inputValue(), "a long text\nof two lines");
    if (javaScriptEnabled) {
      assert.is(await page.evaluate(() => document.documentElement.scrollWidth), 390, "nothing stands beside the page");
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() =>
        (window as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } }).axe.run(),
      );
      assert.equal(
        violations.filter(({ impact }) => impact === "serious" || impact === "critical").map(({ id }) => id),
        [],
      );
    }

    await page.getByLabel("Version").fill("1.2");
    await choose();
    await page.getByRole("button", { name: "Build" }).click();
    await page.waitForURL(/\/buildsets\/1$/);
    const { properties } = await world.kit.call("buildsets.get", { buildset: 1 });
    assert.equal(
      [properties.version, properties.jobs, properties.clean, properties.notes, properties.patch],
      ["1.2", 4, false, "a long text\nof two lines", { name: "a.patch", base64: "K3gK" }],
    );
  });

forms.run();
