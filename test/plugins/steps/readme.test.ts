import * as fs from "node:fs/promises";
import * as steps from "@belfry/steps";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("README of @belfry/steps");
const folder = new URL("../../../plugins/steps/", import.meta.url);
const readme = await fs.readFile(new URL("README.md", folder), "utf8");
const { default: plugin, ...parts } = steps;

test("names every step and every option", () => {
  for (const [name, part] of Object.entries(parts)) {
    assert.match(readme, new RegExp(`(^## (.*\\W)?${name}\\b|\\| \`${name}\`)`, "m"));
    const { shape } = part.definition.options;
    for (const option of Object.keys(shape)) assert.match(readme, `\`${option}\``, `${name}.${option}`);
  }
});

test("every step is part of the plugin", () => {
  assert.equal(
    plugin.parts?.map(({ definition }) => definition.kind).sort(),
    Object.values(parts)
      .map(({ definition }) => definition.kind)
      .sort(),
  );
});

test("documents every error that there is, and no other", async () => {
  const catalogue = await fs.readFile(new URL("src/errors.ts", folder), "utf8");
  const codes = (text: string) => [...new Set(text.match(/BELFRY_\w+/g))].sort();
  assert.ok(codes(catalogue).length > 0);
  assert.equal(codes(readme), codes(catalogue));
});

test.run();
