import * as fs from "node:fs/promises";
import type { Plugin, z } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";

interface Parts {
  [name: string]: { definition: { kind: string; options: z.ZodObject } };
}

/** Holds a package's README against its code: every part, every option, every error, and no error that is not there. */
export function readmeAgrees(
  folder: string,
  { default: plugin, ...parts }: { default: Plugin } & Record<string, unknown>,
) {
  const test = suite(`README of ${plugin.name}`);
  const root = new URL(`../../plugins/${folder}/`, import.meta.url);
  const read = (file: string) => fs.readFile(new URL(file, root), "utf8");

  test("names every part and every option", async () => {
    const readme = await read("README.md");
    for (const [name, part] of Object.entries(parts as unknown as Parts)) {
      assert.match(readme, new RegExp(`(^## (.*\\W)?${name}\\b|\\| \`${name}\`)`, "m"));
      const options = Object.keys(part.definition.options.shape);
      for (const option of options) assert.match(readme, `\`${option}\``, `${name}.${option}`);
    }
  });

  test("every part that is exported is part of the plugin", () => {
    const exported = Object.values(parts as unknown as Parts).map(({ definition }) => definition.kind);
    assert.ok(exported.length > 0);
    assert.equal(plugin.parts?.map(({ definition }) => definition.kind).sort(), exported.sort());
  });

  test("documents every error that there is, and no other", async () => {
    const codes = (text: string) => [...new Set(text.match(/BELFRY_\w+/g))].sort();
    const catalogue = codes(await read("src/errors.ts"));
    assert.ok(catalogue.length > 0);
    assert.equal(codes(await read("README.md")), catalogue);
  });

  test.run();
}
