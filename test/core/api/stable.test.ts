import { suite } from "uvu";
import * as assert from "uvu/assert";
import { breaks, recorded, type StableMethod, stableMethods } from "../../tools/stable-methods.ts";

const test = suite("stable methods");

test("keep the shapes that were recorded, and are all recorded", async () => {
  const then = await recorded();
  const now = stableMethods();
  assert.ok(Object.keys(then).length > 20);
  for (const [name, promised] of Object.entries(then)) {
    const method = now[name];
    assert.ok(method, `${name} was stable and is gone`);
    assert.equal(breaks(promised, method), [], name);
  }
  assert.equal(now, then, "run `node --conditions=source test/tools/stable-methods.ts`");
});

test("a promise is broken by what is taken away or asked for, and by nothing that is added", () => {
  const then: StableMethod = {
    permission: "read",
    params: { type: "object", properties: { a: { type: "string" }, b: { enum: ["x", "y"] } }, required: ["a"] },
    result: {
      type: "object",
      properties: {
        items: { type: "array", items: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] } },
      },
      required: ["items"],
    },
  };
  const changed = (change: (now: StableMethod) => void) => {
    const now = structuredClone(then);
    change(now);
    return breaks(then, now);
  };
  const item = (now: StableMethod) => now.result.properties?.items?.items ?? {};
  assert.equal(
    changed(() => undefined),
    [],
  );
  assert.equal(
    changed((now) => {
      Object.assign(now.params.properties ?? {}, { c: { type: "string" }, b: { enum: ["x", "y", "z"] } });
      Object.assign(item(now).properties ?? {}, { more: { type: "string" } });
    }),
    [],
  );
  assert.equal(changed((now) => (now.permission = "admin")).length, 1);
  assert.equal(
    changed((now) => delete now.params.properties?.b),
    ["params.b: is gone"],
  );
  assert.equal(
    changed((now) => (now.params.required = ["a", "b"])),
    ["params.b: is needed now"],
  );
  assert.equal(changed((now) => Object.assign(now.params.properties ?? {}, { b: { enum: ["x"] } })).length, 1);
  assert.equal(changed((now) => Object.assign(now.params.properties ?? {}, { a: { type: "integer" } })).length, 1);
  assert.equal(
    changed((now) => delete item(now).properties?.n),
    ["result.items[].n: is gone"],
  );
  assert.equal(
    changed((now) => (item(now).required = [])),
    ["result.items[].n: is not always there any more"],
  );
  assert.equal(
    changed((now) =>
      Object.assign(item(now).properties ?? {}, { n: { anyOf: [{ type: "integer" }, { type: "null" }] } }),
    ),
    ["result.items[].n: null is not possible there"],
  );
});

test.run();
