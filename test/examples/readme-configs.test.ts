import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { testMaster } from "@belfry/testkit";
import type { Config } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("configurations in READMEs run as they are written");
const root = fileURLToPath(new URL("../../", import.meta.url));

/** Takes the configuration out of a README and loads it as a user's file, beside the packages that it needs. */
async function configOf(folder: string, readme: string): Promise<Config> {
  const text = await fs.readFile(join(root, readme), "utf8");
  const code = /```ts\n(\/\/ belfry\.config\.ts\n[\s\S]*?)```/.exec(text)?.[1];
  assert.ok(code, `${readme} has no configuration`);
  for (const [name, target] of [
    ["belfry", "core"],
    ["@belfry", "node_modules/@belfry"],
    ["belfry-plugin-size-limit", "examples/custom-step"],
  ] as const) {
    const link = join(folder, "node_modules", name);
    await fs.mkdir(dirname(link), { recursive: true });
    await fs.symlink(join(root, target), link);
  }
  const file = join(folder, "belfry.config.ts");
  await fs.writeFile(join(folder, "package.json"), '{ "type": "module" }');
  await fs.writeFile(file, code ?? "");
  return (await import(pathToFileURL(file).href)).default;
}

/** Forces the builder of a README's configuration, and gives how the steps ended with the text of their logs. */
async function build(readme: string) {
  const folder = await fs.mkdtemp(join(tmpdir(), "belfry-readme-"));
  // A master that waits for a worker's word has nothing that keeps the process running.
  const alive = setInterval(() => {}, 1_000);
  try {
    const config = await configOf(folder, readme);
    await using kit = await testMaster({ config, folder: join(folder, "master") });
    const { buildset } = await kit.call("schedulers.force", { scheduler: "by hand" });
    const { result } = await kit.buildsetEnd(buildset);
    const { items } = await kit.call("builds.steps", { build: 1 });
    const log = await kit.logText(1, items.length).catch(() => "");
    return { result, steps: items as { name: string; result: string; summary: string | null }[], log };
  } finally {
    clearInterval(alive);
    await fs.rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

test("plugins/steps", async () => {
  const { result, steps, log } = await build("plugins/steps/README.md");
  assert.equal(
    steps.map((step) => step.result),
    Array(6).fill("success"),
    JSON.stringify(steps),
  );
  assert.is(result, "success");
  assert.match(log, /hello \d{8}\nhello \d{8}\n/);
});

test("plugins/schedulers", async () => {
  const { result, log } = await build("plugins/schedulers/README.md");
  assert.is(result, "success");
  assert.match(log, /\nbuilt\n/);
});

test("examples/custom-step", async () => {
  const { result, steps } = await build("examples/custom-step/README.md");
  assert.is(result, "success");
  assert.equal([steps[1]?.name, steps[1]?.summary], ["size limit", "app.js fits"]);
});

test.run();
