/** The largest number of a row, and of other whole numbers in tables. */
export const MOST_ID = 2_147_483_647;

/** True for what may be the number of a row. Others are not asked for: PostgreSQL refuses to compare them. */
export function isId(id: number): boolean {
  return Number.isInteger(id) && id >= 1 && id <= MOST_ID;
}

/** For filters: what cannot be a number of a row becomes one that no row has. */
export function idOrNone(id: number): number {
  return isId(id) ? id : 0;
}
