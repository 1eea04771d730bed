import { suite } from "uvu";
import * as assert from "uvu/assert";
import { interpolate, property, type RenderContext, render, secret } from "../../../core/src/interfaces/properties.ts";

const test = suite("properties");

function context(values: Record<string, unknown>): RenderContext {
  return {
    properties: {
      get: (name: string) => values[name],
      has: (name: string) => name in values,
      source: () => "test",
      set() {},
      all: () => ({}),
    } as never,
    build: { number: 7, builder: "b" } as never,
    secret: async (name) => `<${name}>`,
  };
}

test("functions, properties, secrets and templates are computed, however deep", async () => {
  const options = {
    command: ["echo", property("branch"), interpolate`v${(b) => b.build.number}-${property("branch")}`],
    env: { TOKEN: secret("t"), N: ({ build }: RenderContext) => build.number },
    plain: [1, null, { a: true }],
  };
  assert.equal(await render(options, context({ branch: "main" })), {
    command: ["echo", "main", "v7-main"],
    env: { TOKEN: "<t>", N: 7 },
    plain: [1, null, { a: true }],
  });
});

test("a template writes nothing for null and JSON for objects", async () => {
  assert.is(await render(interpolate`[${null}][${{ a: [1] }}][${true}]`, context({})), '[][{"a":[1]}][true]');
});

test("a missing property is an error that says what to do, unless there is a fallback", async () => {
  assert.is(await render(property("x", "y"), context({})), "y");
  let thrown: { code?: string; fix?: string } = {};
  await render(property("x"), context({})).catch((error) => {
    thrown = error;
  });
  assert.is(thrown.code, "BELFRY_PROPERTY_MISSING");
  assert.match(thrown.fix ?? "", "fallback");
});

test("a template shows in a configuration as what it is made of", () => {
  assert.equal(JSON.parse(JSON.stringify(interpolate`a-${property("branch")}-${() => 1}`)), {
    $render: "a-${property branch}-${…}",
  });
});

test("what is computed is not confused by prototype names", async () => {
  const value = JSON.parse('{"__proto__": {"x": 1}, "a": 1}');
  const rendered = (await render(value, context({}))) as Record<string, unknown>;
  assert.is(Object.getPrototypeOf(rendered), Object.prototype);
  assert.is(rendered.a, 1);
});

test.run();
