import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cellsOf, type Lasting, lanesOf, momentsOf } from "../../../plugins/web/src/parts/lanes.ts";

const test = suite("the lanes of the waterfall");

test("what overlaps stands beside each other, and what does not below", () => {
  const one = { from: 0, to: 10 };
  const two = { from: 10, to: 20 };
  const three = { from: 15, to: null };
  assert.equal(lanesOf([one, two]), [[two, one]]);
  assert.equal(lanesOf([one, two, three]), [[three, one], [two]]);
  const moments = momentsOf([one, two, three]);
  assert.equal(moments, [20, 15, 10, 0]);
  assert.equal(cellsOf([two, one], moments), [
    { row: 0, rows: 1, thing: undefined },
    { row: 1, rows: 2, thing: two },
    { row: 3, rows: 1, thing: one },
  ]);
  assert.equal(cellsOf([three], moments), [
    { row: 0, rows: 2, thing: three },
    { row: 2, rows: 2, thing: undefined },
  ]);
  assert.equal(cellsOf([], []), [{ row: 0, rows: 1, thing: undefined }]);
});

test("every lane has every row exactly once, whatever lasted how long", () => {
  const thing = fc
    .tuple(fc.nat(50), fc.option(fc.integer({ min: 1, max: 20 })))
    .map(([from, long]): Lasting => ({ from, to: long === null ? null : from + long }));
  fc.assert(
    fc.property(fc.array(thing, { minLength: 1, maxLength: 20 }), (things) => {
      const moments = momentsOf(things);
      const lanes = lanesOf(things);
      assert.is(lanes.flat().length, things.length);
      for (const lane of lanes) {
        let row = 0;
        for (const cell of cellsOf(lane, moments)) {
          assert.is(cell.row, row);
          assert.ok(cell.rows > 0);
          row += cell.rows;
        }
        assert.is(row, Math.max(1, moments.length));
      }
    }),
  );
});

test.run();
