import { cctray } from "@belfry/cctray";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { faults } from "../../../compat/cctray/src/errors.ts";
import { documented } from "../../plugins/http/documented.ts";

const test = suite("@belfry/cctray's README");

const readme = new URL("../../../compat/cctray/README.md", import.meta.url);

test("lists every error, and no other", () => {
  const codes = Object.values(faults).map((make) => (make as (given: unknown) => { code: string })("x").code);
  assert.equal(documented(readme, /^\| `(BELFRY_\w+)`/), codes.sort());
});

test("lists every option, and no other", () => {
  assert.equal(documented(readme, /^\| `([a-z]\w+)`/), Object.keys(cctray.definition.options.shape).sort());
});

test.run();
