const AT_ONCE = 500;
/** After so many rows that may not be seen or do not fit, a page ends early, with the place to go on from. */
const MOST = 20_000;

export interface Looking<R extends { id: number }> {
  /** Behind this one; `undefined` for the beginning. */
  from: number | undefined;
  limit: number;
  /** So many rows behind one, in the order of the list. */
  rows(behind: number | undefined, count: number): Promise<R[]>;
  /** Those of them that belong on the page. */
  wanted(rows: R[]): R[] | Promise<R[]>;
}

/**
 * Looks through a list for what no index finds, in pieces, so that others have their turn. Returns the ids of a page, with
 * one more if there is a next one, and where to go on if it looked at enough before the page was full.
 */
export async function lookThrough<R extends { id: number }>({ from, limit, rows, wanted }: Looking<R>) {
  const ids: number[] = [];
  let behind = from;
  let more = true;
  for (let seen = 0; more && ids.length <= limit && seen < MOST; seen += AT_ONCE) {
    if (seen > 0) await new Promise((resolve) => setImmediate(resolve));
    const piece = await rows(behind, AT_ONCE);
    ids.push(...(await wanted(piece)).map(({ id }) => id));
    behind = piece.at(-1)?.id ?? behind;
    more = piece.length === AT_ONCE;
  }
  return { ids: ids.slice(0, limit + 1), goOn: more && ids.length <= limit ? behind : undefined };
}
