import { readFileSync } from "node:fs";
import { jsonrpc } from "@belfry/jsonrpc";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { clientFaults } from "../../../compat/jsonrpc/src/client/errors.ts";
import { rpcError } from "../../../compat/jsonrpc/src/error-codes.ts";
import { faults } from "../../../compat/jsonrpc/src/errors.ts";
import { listenFaults } from "../../../compat/jsonrpc/src/listen/errors.ts";
import { documented } from "../../plugins/http/documented.ts";
import { fault } from "../../plugins/http/world.ts";

const test = suite("@belfry/jsonrpc's README");

const readme = new URL("../../../compat/jsonrpc/README.md", import.meta.url);

const codesOf = (catalogue: object) => [
  ...new Set(
    Object.values(catalogue).map((make) => (make as (...args: unknown[]) => { code: string })("x", [], "z").code),
  ),
];

test("lists every error, and no other", () => {
  const codes = [faults, clientFaults, listenFaults].flatMap(codesOf);
  assert.equal(documented(readme, /^\| `(BELFRY_\w+)`/), codes.sort());
});

test("lists every option, and no other", () => {
  assert.equal(documented(readme, /^\| `([a-z]\w+)`/), Object.keys(jsonrpc.definition.options.shape).sort());
});

test("gives every error the number that is sent", () => {
  const rows = readFileSync(readme, "utf8").matchAll(/^\| (-32\d{3}) \| (.*) \|$/gm);
  const pairs = [...rows].flatMap(([, number, cell]) =>
    [...(cell ?? "").matchAll(/`(BELFRY_\w+)`/g)].map(([, code]) => [code ?? "", Number(number)] as const),
  );
  assert.ok(pairs.length > 20);
  for (const [code, number] of pairs) assert.is(rpcError(fault(code, "x")).code, number, code);
  const own = codesOf(faults);
  const numbered = new Set(pairs.map(([code]) => code));
  assert.equal(
    own.filter((code) => !numbered.has(code)),
    ["BELFRY_JSONRPC_NO_HTTP"],
  );
});

test.run();
