import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fill, inside, nameOf, outside, search, segment, withoutEnd } from "../../../plugins/web/src/urls.ts";

const test = suite("addresses of pages");

const through = (path: string) => new URL(path, "http://x").pathname;

test("any name comes back from a path as it was, also through a browser", () => {
  const names = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("", ".", "..", "~", "~.", "~~..", "a/b", "%2e"),
  );
  fc.assert(
    fc.property(names, names, (builder, other) => {
      const path = through(fill("/builders/:builder/x/:other", { builder, other }));
      const [, , first = "", , second = ""] = path.split("/");
      assert.equal([nameOf(first), nameOf(second)], [builder.toWellFormed(), other.toWellFormed()]);
    }),
  );
});

test("usual names look as they do elsewhere", () => {
  assert.is(segment("run tests"), "run%20tests");
  assert.is(segment("~user"), "~user");
  assert.is(segment(".."), "~..");
  assert.is(nameOf("%zz"), undefined);
});

test("a query leaves out what is empty", () => {
  assert.is(search({ a: "", b: undefined, c: 0, d: "x y&z" }), "?c=0&d=x+y%26z");
  assert.is(search({}), "");
});

test("only what is safe to be clicked on is an address of somebody else", () => {
  for (const good of ["http://example.com/a", "HTTPS://example.com", "mailto:a@example.com"])
    assert.is(outside(good), good);
  for (const bad of ["javascript:alert(1)", " javascript:x", "data:text/html,x", "//example.com", "", null, "http://["])
    assert.is(outside(bad), undefined);
});

test("slashes at the end go, however many there are", () => {
  for (const [path, is] of Object.entries({ "/": "/", "/a": "/a", "/a/": "/a", "/a/b//": "/a/b", "///": "/" }))
    assert.is(withoutEnd(path), is);
  const many = `${"/".repeat(1_000_000)}a`;
  assert.is(withoutEnd(`${many}/`), many);
});

test("nobody is sent to another server", () => {
  for (const good of ["/", "/builders/a%2Fb?x=1"]) assert.is(inside(good), good);
  for (const bad of [
    "//evil.example",
    "/\\evil.example",
    "https://evil.example",
    "x",
    "",
    null,
    "/a\nb",
    "/a\\b",
    "/\u0001",
    "/\u4e2d",
  ])
    assert.is(inside(bad), "/");
});

test.run();
