import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cellsOf, type Lasting, lanesOf, momentsOf, spread } from "../../../plugins/web/src/parts/lanes.ts";

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

test("what is alone has the whole width, and nothing is kept free for what overlapped at another time", () => {
  const [early, late] = [
    { from: 0, to: 10 },
    { from: 5, to: 12 },
  ];
  const alone = { from: 20, to: 30 };
  const moments = momentsOf([early, late, alone]);
  assert.equal(spread([early, late, alone], moments), {
    wide: 2,
    cells: [
      { row: 0, rows: 1, thing: undefined, wide: 2, apart: true },
      { row: 1, rows: 1, thing: alone, wide: 2, apart: false },
      { row: 2, rows: 1, thing: undefined, wide: 2, apart: true },
      { row: 3, rows: 2, thing: late, wide: 1, apart: false },
      { row: 5, rows: 1, thing: undefined, wide: 1, apart: false },
      { row: 3, rows: 1, thing: undefined, wide: 1, apart: false },
      { row: 4, rows: 2, thing: early, wide: 1, apart: false },
    ],
  });
  assert.equal(spread([], []), { wide: 1, cells: [{ row: 0, rows: 1, thing: undefined, wide: 1, apart: true }] });
});

test("each row of a table is as wide as all others, whatever lasted how long", () => {
  const thing = fc
    .tuple(fc.nat(50), fc.option(fc.integer({ min: 1, max: 20 })))
    .map(([from, long]): Lasting => ({ from, to: long === null ? null : from + long }));
  fc.assert(
    fc.property(fc.array(thing, { maxLength: 20 }), (things) => {
      const moments = momentsOf(things);
      const { wide, cells } = spread(things, moments);
      const widths = Array.from({ length: Math.max(1, moments.length) }, () => 0);
      for (const cell of cells) {
        assert.ok(cell.wide > 0 && cell.rows > 0);
        for (let row = cell.row; row < cell.row + cell.rows; row++) widths[row] = (widths[row] ?? 0) + cell.wide;
      }
      assert.equal(new Set(widths), new Set([wide]));
      assert.is(cells.filter((cell) => cell.thing !== undefined).length, things.length);
    }),
  );
});

test.run();
