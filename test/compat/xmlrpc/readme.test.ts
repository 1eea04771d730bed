import { readFileSync } from "node:fs";
import { xmlrpc } from "@belfry/xmlrpc";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { faults } from "../../../compat/xmlrpc/src/errors.ts";
import { faultOf } from "../../../compat/xmlrpc/src/fault-codes.ts";
import { documented } from "../../plugins/http/documented.ts";
import { fault } from "../../plugins/http/world.ts";

const test = suite("@belfry/xmlrpc's README");

const readme = new URL("../../../compat/xmlrpc/README.md", import.meta.url);
const own = Object.values(faults).map((make) => (make as (...args: unknown[]) => { code: string })("x", "y").code);

test("lists every error, and no other", () => {
  assert.equal(documented(readme, /^\| `(BELFRY_\w+)`/), [...own].sort());
});

test("lists every option, and no other", () => {
  assert.equal(documented(readme, /^\| `([a-z]\w+)` \|/), Object.keys(xmlrpc.definition.options.shape).sort());
});

test("gives every error the number that is sent", () => {
  const rows = readFileSync(readme, "utf8").matchAll(/^\| (-32\d{3}) \| (.*) \|$/gm);
  const pairs = [...rows].flatMap(([, number, cell]) =>
    [...(cell ?? "").matchAll(/`(BELFRY_\w+)`/g)].map(([, code]) => [code ?? "", Number(number)] as const),
  );
  assert.ok(pairs.length > 15);
  for (const [code, number] of pairs) assert.is(faultOf(fault(code, "x")).code, number, code);
  const numbered = new Set(pairs.map(([code]) => code));
  const others = own.filter((code) => !numbered.has(code) && faultOf(fault(code, "x")).code !== -32500);
  assert.equal(others, []);
});

test.run();
