import { z } from "zod";
import { faults } from "../errors/catalogue.ts";
import type { Json } from "../interfaces/values.ts";
import { MOST_ID } from "./ids.ts";

export const DEFAULT_LIMIT = 50;
export const MOST = 500;

/** The parameters that every list has besides its filters. */
export function pageParams<F extends string, O extends string>(fields: readonly F[], orders: readonly [O, ...O[]]) {
  return {
    limit: z.int().min(1).max(MOST).optional().describe(`how many at most; default ${DEFAULT_LIMIT}, most ${MOST}`),
    cursor: z.string().max(500).optional().describe("`next` of the page before"),
    order: z.enum(orders).optional().describe(`default "${orders[0]}"; a leading "-" means descending`),
    fields: z
      .array(z.enum(fields as unknown as [F, ...F[]]))
      .min(1)
      .optional()
      .describe("only these fields of each item"),
  };
}

export function pageResult<S extends z.ZodRawShape>(item: z.ZodObject<S>) {
  return z.object({
    items: z.array(item.partial()),
    next: z.string().nullable().describe("give it back as `cursor`; null on the last page"),
  });
}

/** The place of a row in an order by id. */
export const idPlace = z.int().min(0).max(MOST_ID);

/** Makes the opaque text of a cursor: the place in the order, bound to the query it belongs to. */
export function writeCursor(query: string, place: Json): string {
  return Buffer.from(JSON.stringify([query, place])).toString("base64url");
}

/** Reads a cursor back; refuses one that is damaged or belongs to another query. */
export function readCursor<S extends z.ZodType>(
  text: string | undefined,
  query: string,
  place: S,
): z.output<S> | undefined {
  if (text === undefined) return undefined;
  try {
    const [owner, value] = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
    if (owner === query) return place.parse(value);
  } catch {
    // Told below: whatever is wrong with it, the answer is the same.
  }
  throw faults.cursorInvalid();
}

/** Cuts a list that was read with one more than `limit` into a page. */
export function toPage<T extends object>(
  rows: T[],
  limit: number,
  query: string,
  place: (last: T) => Json,
  fields: readonly string[] | undefined,
): { items: Partial<T>[]; next: string | null } {
  const more = rows.length > limit;
  const page = more ? rows.slice(0, limit) : rows;
  const last = page.at(-1);
  return { items: page.map((item) => pick(item, fields)), next: more && last ? writeCursor(query, place(last)) : null };
}

export function pick<T extends object>(item: T, fields: readonly string[] | undefined): Partial<T> {
  if (!fields) return item;
  return Object.fromEntries(fields.map((field) => [field, item[field as keyof T]])) as Partial<T>;
}
