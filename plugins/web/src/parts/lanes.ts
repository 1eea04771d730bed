/** Something that lasts: a build. Without an end it goes on. */
export interface Lasting {
  from: number;
  to: number | null;
}

/** One cell of a lane, from a row on; without a thing nothing happens there. */
export interface Cell<T> {
  row: number;
  rows: number;
  thing: T | undefined;
}

/**
 * Moments at which something begins or ends, the newest first. Row 0 is all that is newer than the first, row N
 * lies between moments N - 1 and N: time without anything takes one row, however long it was.
 */
export function momentsOf(things: readonly Lasting[]): number[] {
  return [...new Set(things.flatMap(({ from, to }) => [from, to ?? from]))].sort((a, b) => b - a);
}

/** Puts things that overlap beside each other, in as few lanes as they need. */
export function lanesOf<T extends Lasting>(things: readonly T[]): T[][] {
  const lanes: T[][] = [];
  for (const thing of [...things].sort((a, b) => b.from - a.from)) {
    // The lane's last one is the oldest so far: it must begin when this one has ended.
    const free = lanes.find((lane) => thing.to !== null && (lane.at(-1)?.from ?? 0) >= thing.to);
    if (free === undefined) lanes.push([thing]);
    else free.push(thing);
  }
  return lanes.length === 0 ? [[]] : lanes;
}

/** A lane as the cells of a table, which together have all rows, or those from `begin` up to `end`. */
export function cellsOf<T extends Lasting>(
  lane: readonly T[],
  moments: readonly number[],
  begin = 0,
  end = Math.max(1, moments.length),
): Cell<T>[] {
  const at = new Map(moments.map((moment, i) => [moment, i]));
  const cells: Cell<T>[] = [];
  let row = begin;
  const idle = (until: number) => {
    if (until > row) cells.push({ row, rows: until - row, thing: undefined });
    row = until;
  };
  for (const thing of lane) {
    const first = thing.to === null ? 0 : (at.get(thing.to) ?? 0) + 1;
    const last = at.get(thing.from) ?? 0;
    idle(first);
    cells.push({ row, rows: Math.max(1, last - first + 1), thing });
    row = first + Math.max(1, last - first + 1);
  }
  idle(end);
  return cells;
}

/** A cell that is `wide` columns of a table wide; `apart` tells that nothing at all happens beside it. */
export interface WideCell<T> extends Cell<T> {
  wide: number;
  apart: boolean;
}

/** A table of finer columns would be none that a browser can lay out well. */
const FINEST = 12;

/**
 * Things as the cells of a table. Those that overlap stand beside each other and share the width, so that no lane
 * is kept free for what overlapped at another time.
 */
export function spread<T extends Lasting>(
  things: readonly T[],
  moments: readonly number[],
): { wide: number; cells: WideCell<T>[] } {
  const at = new Map(moments.map((moment, i) => [moment, i]));
  const bands = bandsOf(things).map((band) => {
    const newest = band.some(({ to }) => to === null) ? undefined : Math.max(...band.map(({ to }) => to ?? 0));
    const begin = newest === undefined ? 0 : (at.get(newest) ?? 0) + 1;
    const end = (at.get(Math.min(...band.map(({ from }) => from))) ?? 0) + 1;
    return { begin, end, lanes: lanesOf(band) };
  });
  const most = Math.max(1, ...bands.map(({ lanes }) => lanes.length));
  const common = bands.reduce((all, { lanes }) => leastCommonMultiple(all, lanes.length), 1);
  const wide = common > FINEST ? most : common;
  const cells: WideCell<T>[] = [];
  let row = 0;
  const idle = (until: number) => {
    if (until > row) cells.push({ row, rows: until - row, thing: undefined, wide, apart: true });
    row = until;
  };
  for (const { begin, end, lanes } of bands) {
    idle(begin);
    const edge = (lane: number) => Math.floor((lane * wide) / lanes.length);
    for (const [i, lane] of lanes.entries())
      for (const cell of cellsOf(lane, moments, begin, end))
        cells.push({ ...cell, wide: edge(i + 1) - edge(i), apart: false });
    row = end;
  }
  idle(Math.max(1, moments.length));
  return { wide, cells };
}

/** Things that overlap, or hang together by others that do; the newest first. */
function bandsOf<T extends Lasting>(things: readonly T[]): T[][] {
  const bands: T[][] = [];
  let oldest = Number.POSITIVE_INFINITY;
  const end = ({ to }: Lasting) => to ?? Number.POSITIVE_INFINITY;
  for (const thing of [...things].sort((a, b) => (end(a) === end(b) ? b.from - a.from : end(b) > end(a) ? 1 : -1))) {
    const band = bands.at(-1);
    if (band === undefined || end(thing) <= oldest) {
      bands.push([thing]);
      oldest = thing.from;
    } else {
      band.push(thing);
      oldest = Math.min(oldest, thing.from);
    }
  }
  return bands;
}

function leastCommonMultiple(a: number, b: number): number {
  const common = (x: number, y: number): number => (y === 0 ? x : common(y, x % y));
  return (a / common(a, b)) * b;
}
