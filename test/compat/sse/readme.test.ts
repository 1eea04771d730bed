import { sse } from "@belfry/sse";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { faults } from "../../../compat/sse/src/errors.ts";
import { documented } from "../../plugins/http/documented.ts";

const test = suite("@belfry/sse's README");

const readme = new URL("../../../compat/sse/README.md", import.meta.url);

test("lists every error, and no other", () => {
  const codes = Object.values(faults).map((make) => (make as (value: unknown) => { code: string })("x").code);
  assert.equal(documented(readme, /^\| `(BELFRY_SSE_\w+)`/), codes.sort());
});

test("lists every option, and no other", () => {
  assert.equal(documented(readme, /^\| `([a-z]\w+)`/), Object.keys(sse.definition.options.shape).sort());
});

test.run();
