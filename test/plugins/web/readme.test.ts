import webPlugin, { WEB, web } from "@belfry/web";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { faults } from "../../../plugins/web/src/errors.ts";
import type { PageDefinition } from "../../../plugins/web/src/extension.ts";
import { addPages } from "../../../plugins/web/src/pages/index.ts";
import { Site } from "../../../plugins/web/src/site.ts";
import { documented } from "../http/documented.ts";

const test = suite("@belfry/web's README");

const readme = new URL("../../../plugins/web/README.md", import.meta.url);

test("lists every error, and no other", () => {
  const codes = Object.values(faults).map((make) => (make as (value: unknown) => { code: string })("x").code);
  assert.equal(documented(readme, /^\| `(BELFRY_WEB_\w+)`/), codes.sort());
});

test("lists every option, and no other", () => {
  assert.equal(documented(readme, /^\| `([a-z]\w+)`/), Object.keys(web.definition.options.shape).sort());
});

test("lists every page with its name, and no other", () => {
  const paths: string[] = [];
  class Listing extends Site {
    override page(page: PageDefinition) {
      paths.push(`${page.path} ${page.name}`);
      return super.page(page);
    }
  }
  addPages(new Listing());
  const listed = documented(readme, /^\| (`\/[^`]*` \| `[\w.-]+`) \|/).map((row) =>
    row.replaceAll("`", "").replace(" | ", " "),
  );
  assert.equal(listed.sort(), paths.sort());
  assert.ok(webPlugin.register && WEB);
});

test.run();
