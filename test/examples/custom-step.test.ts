import * as fs from "node:fs/promises";
import { createPart, rejects, runChecks, stepContract, testBuild } from "@belfry/testkit";
import { z } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import plugin, { sizeLimit } from "../../examples/custom-step/src/index.ts";

const test = suite("examples/custom-step");
const make = (options: { file: string; maxBytes: number }) => createPart(sizeLimit, options);
const folder = new URL("../../examples/custom-step/", import.meta.url);

test("a file within its limit is a success, and its size is in the log", async () => {
  await using build = await testBuild({ files: { "dist/app.js": "x".repeat(10) } });
  const ended = await build.run(make({ file: "dist/app.js", maxBytes: 10 }));
  assert.equal(ended, { result: "success", summary: "dist/app.js fits" });
  assert.is(build.logs.get("size"), "dist/app.js: 10 of 10 bytes\n");
});

test("a file over its limit is a failure that names the excess", async () => {
  await using build = await testBuild({ files: { "app.js": "x".repeat(12) } });
  assert.equal(await build.run(make({ file: "app.js", maxBytes: 10 })), {
    result: "failure",
    summary: "app.js is 2 bytes over",
  });
});

test("a file that does not exist is an error, for the step could not work", async () => {
  await using build = await testBuild();
  assert.is(
    ((await rejects(build.run(make({ file: "app.js", maxBytes: 10 })))) as NodeJS.ErrnoException).code,
    "ENOENT",
  );
});

test("options that cannot be right are refused before any build", () => {
  for (const options of [
    {},
    { file: "x" },
    { file: "", maxBytes: 1 },
    { file: "x", maxBytes: 0 },
    { file: "x", maxBytes: 1, max: 1 },
  ]) {
    assert.is(sizeLimit.definition.options.safeParse(options).success, false, JSON.stringify(options));
  }
});

test("the plugin, its package and its README agree, and it stands on nothing but belfry", async () => {
  const shape = z.object({
    name: z.string(),
    version: z.string(),
    keywords: z.array(z.string()),
    exports: z.object({ ".": z.record(z.string(), z.string()) }),
    peerDependencies: z.record(z.string(), z.string()),
    dependencies: z.undefined().optional(),
  });
  const pkg = shape.parse(JSON.parse(await fs.readFile(new URL("package.json", folder), "utf8")));
  assert.equal([plugin.name, plugin.version], [pkg.name, pkg.version]);
  assert.equal(Object.keys(pkg.peerDependencies), ["belfry"]);
  assert.ok(pkg.keywords.includes("belfry-plugin"));
  assert.equal(Object.keys(pkg.exports["."]), ["source", "types", "default"]);
  assert.is(sizeLimit({ file: "x", maxBytes: 1 }).kind, "belfry-plugin-size-limit/size-limit");
  const readme = await fs.readFile(new URL("README.md", folder), "utf8");
  for (const option of Object.keys(sizeLimit.definition.options.shape))
    assert.match(readme, new RegExp(`| \`${option}\` +|`));
  const code = await fs.readFile(new URL("src/index.ts", folder), "utf8");
  assert.equal(
    [...code.matchAll(/from "([^"]+)"/g)].map(([, from]) => from),
    ["belfry"],
  );
});

runChecks(
  test,
  stepContract("size limit", {
    make: () => make({ file: "app.js", maxBytes: 10 }),
    builds: [{ files: { "app.js": "small" } }, { files: { "app.js": "x".repeat(12) } }],
  }),
);

test.run();
