import { type RawBuilder, sql } from "kysely";
import { z } from "zod";

/** How the beginning of a revision is asked for. Only of those that are hex digits: a number begins many others. */
export const revisionPrefix = z
  .string()
  .regex(/^[0-9a-fA-F]{4,64}$/, "at least 4 hex digits")
  .optional()
  .describe("the beginning of its revision, at least 4 hex digits");

/** Whether a column begins with hex digits, by its index: "g" comes behind all that can follow, in the order of any language. */
export function beginsWith(column: string, prefix: string): RawBuilder<boolean> {
  const text = prefix.toLowerCase();
  const name = sql.ref(column);
  return sql<boolean>`(${name} >= ${text} and ${name} < ${`${text}g`} and substr(${name}, 1, ${sql.lit(text.length)}) = ${text})`;
}
