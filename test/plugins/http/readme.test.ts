import { suite } from "uvu";
import * as assert from "uvu/assert";
import { faults } from "../../../plugins/http/src/errors.ts";
import { documented } from "./documented.ts";
import { http } from "./world.ts";

const test = suite("@belfry/http's README");

const readme = new URL("../../../plugins/http/README.md", import.meta.url);

test("lists every error, and no other", () => {
  const codes = Object.values(faults).map(
    (make) => (make as (...args: unknown[]) => { code: string })("x", "y", "z").code,
  );
  assert.equal(documented(readme, /^\| `(BELFRY_\w+)`/), codes.sort());
});

test("lists every option, and no other", () => {
  assert.equal(documented(readme, /^\| `([a-z]\w+)`/), Object.keys(http.definition.options.shape).sort());
});

test.run();
