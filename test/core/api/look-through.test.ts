import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lookThrough } from "../../../core/src/api/look-through.ts";

const test = suite("looking through a list");

/** Ids from the highest down, and how many were looked at. */
function listOf(length: number) {
  const looked = { rows: 0 };
  const rows = async (behind: number | undefined, count: number) => {
    const first = behind === undefined ? length : behind - 1;
    const piece = Array.from({ length: Math.max(0, Math.min(count, first)) }, (_, i) => ({ id: first - i }));
    looked.rows += piece.length;
    return piece;
  };
  return { rows, looked };
}

const every = (n: number) => (rows: { id: number }[]) => rows.filter(({ id }) => id % n === 0);

test("a page is what fits, and one more if there is a next one", async () => {
  const { rows, looked } = listOf(10_000);
  const page = await lookThrough({ from: undefined, limit: 3, rows, wanted: every(100) });
  assert.equal(page, { ids: [10_000, 9_900, 9_800, 9_700], goOn: undefined });
  assert.is(looked.rows, 500, "no more than it needs");
  const next = await lookThrough({ from: 9_800, limit: 3, rows, wanted: every(100) });
  assert.equal(next.ids, [9_700, 9_600, 9_500, 9_400]);
});

test("the last page has no next one, whether its rows fit or not", async () => {
  const { rows } = listOf(1_234);
  assert.equal(await lookThrough({ from: 300, limit: 3, rows, wanted: every(100) }), {
    ids: [200, 100],
    goOn: undefined,
  });
  assert.equal(await lookThrough({ from: undefined, limit: 3, rows, wanted: () => [] }), { ids: [], goOn: undefined });
});

test("who may see almost nothing costs no more than so many rows, and is told where to go on", async () => {
  const { rows, looked } = listOf(50_000);
  const wanted = every(25_000);
  const first = await lookThrough({ from: 49_999, limit: 10, rows, wanted });
  assert.equal(first, { ids: [], goOn: 29_999 });
  assert.is(looked.rows, 20_000);
  const second = await lookThrough({ from: first.goOn, limit: 10, rows, wanted });
  assert.equal(second, { ids: [25_000], goOn: 9_999 });
  const third = await lookThrough({ from: second.goOn, limit: 10, rows, wanted });
  assert.equal(third, { ids: [], goOn: undefined });
});

test("others have their turn between the pieces", async () => {
  const { rows } = listOf(5_000);
  let turns = 0;
  let over = false;
  const others = (async () => {
    for (; !over; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  })();
  await lookThrough({ from: undefined, limit: 10, rows, wanted: () => [] });
  over = true;
  await others;
  assert.ok(turns >= 9, `${turns} turns`);
});

test.run();
