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

/** A lane as the cells of a table, which together have all rows. */
export function cellsOf<T extends Lasting>(lane: readonly T[], moments: readonly number[]): Cell<T>[] {
  const at = new Map(moments.map((moment, i) => [moment, i]));
  const cells: Cell<T>[] = [];
  let row = 0;
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
  idle(Math.max(1, moments.length));
  return cells;
}
