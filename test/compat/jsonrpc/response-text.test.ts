import { suite } from "uvu";
import * as assert from "uvu/assert";
import { responseText } from "../../../compat/jsonrpc/src/response-text.ts";

const test = suite("the JSON of responses");

test("a result that is given again is the same text, with the id of each request", () => {
  const result = { items: [{ name: 'ä"\u2028', at: 1.5, none: null }], next: undefined };
  for (const id of [1, "two", null, 3]) {
    const response = { jsonrpc: "2.0", id, result } as never;
    assert.is(responseText(response), JSON.stringify(response));
    const older = { id, result, error: null } as never;
    assert.is(responseText(older), JSON.stringify(older));
  }
});

test("it is written once", () => {
  let written = 0;
  const result = {
    toJSON() {
      written += 1;
      return "told";
    },
  };
  for (let id = 0; id < 5; id += 1)
    assert.is(responseText({ jsonrpc: "2.0", id, result } as never), `{"jsonrpc":"2.0","id":${id},"result":"told"}`);
  assert.is(written, 2, "for the first, which is mostly the last, and for all others");
});

test("what is no object, an error, and what cannot be written, are as they always were", () => {
  for (const result of ["text", 7, true, null])
    assert.is(
      responseText({ jsonrpc: "2.0", id: 1, result } as never),
      JSON.stringify({ jsonrpc: "2.0", id: 1, result }),
    );
  const failed = { jsonrpc: "2.0", id: 1, error: { code: -32_600, message: "no" } } as never;
  assert.is(responseText(failed), JSON.stringify(failed));
  const circle: { self?: unknown } = {};
  circle.self = circle;
  for (let time = 0; time < 3; time += 1)
    assert.throws(() => responseText({ jsonrpc: "2.0", id: 1, result: circle } as never), /circular/);
});

test.run();
