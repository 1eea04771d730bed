import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { below, partsOfName, placeOf, segmentPath } from "../../../core/src/logs/log-path.ts";

const paths = suite("places of logs");

paths("builds share folders of 128, and a build's logs have no folder of their own", () => {
  assert.is(segmentPath(placeOf("/logs", "b/123/4-stdio"), 0), "/logs/b/,0/123,4-stdio,0");
  assert.is(segmentPath(placeOf("/logs", "b/1000000/4/5/x"), 2), "/logs/b/,7812/1000000,4,5,x,2");
  assert.is(segmentPath(placeOf("/logs", "master/start"), 0), "/logs/master/start,0");
  assert.is(segmentPath(placeOf("/logs", "b/007/x"), 0), "/logs/b/007/x,0");
});

paths("what lies below a prefix is a folder, or names in one", () => {
  assert.equal(below("/logs", "b/"), { folder: "/logs/b", names: [] });
  assert.equal(below("/logs", "b/123/"), { folder: "/logs/b/,0", names: ["123"] });
  assert.equal(below("/logs", "b/123/4/"), { folder: "/logs/b/,0", names: ["123", "4"] });
});

paths("no two logs share a file, a file's name leads back to its key, and none leaves the folder", () => {
  const part = fc.oneof(
    fc.constantFrom("0", "1", "128", "00", "a", "tmp-1", ".a", "-"),
    fc.stringMatching(/^[A-Za-z0-9_-]{1,5}$/),
  );
  const key = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join("/"));
  const file = (key: string, ordinal: number) => segmentPath(placeOf("/logs", key), ordinal);
  fc.assert(
    fc.property(key, key, fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 }), (one, two, first, second) => {
      assert.is(file(one, first) === file(two, second), one === two && first === second);
      assert.ok(file(one, first).startsWith("/logs/"));
      assert.not(file(one, first).startsWith(`${file(two, second)}/`), "a file is in no other's way");
      const place = placeOf("/logs", one);
      const name = file(one, first).slice(place.folder.length + 1);
      assert.is(partsOfName(name)?.join(","), place.name);
      assert.is(partsOfName(`${name},tmp-0a1b`)?.join(","), place.name);
    }),
    { numRuns: 2_000 },
  );
});

paths("names of strangers are nobody's", () => {
  for (const name of ["README", "x,y", "a,", ",1", "a,-1"])
    assert.is(partsOfName(name)?.join("/") || undefined, undefined, name);
});

paths.run();
