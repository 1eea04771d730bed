import { readFile } from "node:fs/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const readme = suite("sqlite's README");

readme("names every error there is, and none else", async () => {
  const folder = new URL("../../../plugins/sqlite/", import.meta.url);
  const codes = (text: string, pattern: RegExp) => [...new Set(text.match(pattern))].toSorted();
  const listed = codes(await readFile(new URL("README.md", folder), "utf8"), /(?<=^\| `)BELFRY_\w+/gm);
  const thrown = codes(await readFile(new URL("src/errors.ts", folder), "utf8"), /(?<=")BELFRY_\w+/g);
  assert.ok(thrown.length > 0);
  assert.equal(listed, thrown);
});

readme.run();
