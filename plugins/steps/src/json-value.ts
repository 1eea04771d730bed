import { type Json, z } from "belfry";

const json = z.json();

/** True for what survives a trip through JSON: no `undefined`, no `NaN`, nothing with a class. */
export function isJson(value: unknown): value is Json {
  return json.safeParse(value).success;
}
