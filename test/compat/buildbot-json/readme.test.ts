import { buildbotJson } from "@belfry/buildbot-json";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { faults } from "../../../compat/buildbot-json/src/errors.ts";
import { documented } from "../../plugins/http/documented.ts";

const test = suite("@belfry/buildbot-json's README");

const readme = new URL("../../../compat/buildbot-json/README.md", import.meta.url);

test("lists every error, and no other", () => {
  const codes = Object.values(faults).map((make) => (make as (...args: unknown[]) => { code: string })("x").code);
  assert.equal(documented(readme, /^\| `(BELFRY_\w+)`/), codes.sort());
});

test("lists every option, and no other", () => {
  assert.equal(documented(readme, /^\| `([a-z]\w+)`/), Object.keys(buildbotJson.definition.options.shape).sort());
});

test.run();
