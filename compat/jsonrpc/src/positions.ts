import type { z } from "belfry";
import { faults } from "./errors.ts";

interface Callee {
  readonly name: string;
  readonly params: z.ZodType;
}

/** Parameters by position, put under the names that the method's schema has in this order. */
export function named(method: Callee | undefined, params: unknown[]): Record<string, unknown> {
  if (params.length === 0 || method === undefined) return {};
  const names = namesOf(method.params);
  if (names === undefined) throw faults.positions(method.name, "Its parameters have no fixed order.");
  if (params.length > names.length) {
    const list = names.length === 0 ? "none" : names.join(", ");
    throw faults.positions(method.name, `There are ${params.length}, and it takes ${names.length}: ${list}.`);
  }
  return Object.fromEntries(params.map((value, index) => [names[index], value]));
}

/** The same, or by name: a single object whose members all are names of parameters. */
export function namedOne(method: Callee | undefined, params: unknown[]): Record<string, unknown> {
  const [only] = params;
  if (params.length !== 1 || typeof only !== "object" || only === null || Array.isArray(only))
    return named(method, params);
  const names = (method && namesOf(method.params)) ?? [];
  // Of a method without parameters nothing can be meant by position: the API says what it does not know.
  const byName = names.length === 0 || Object.keys(only).every((key) => names.includes(key));
  return byName ? (only as Record<string, unknown>) : named(method, params);
}

interface SchemaDefinition {
  type: string;
  shape?: Record<string, unknown>;
  innerType?: z.ZodType;
  in?: z.ZodType;
}

/** The names of an object's schema, through what may be around it. */
function namesOf(schema: z.ZodType): string[] | undefined {
  let current: z.ZodType | undefined = schema;
  while (current !== undefined) {
    const def = current.def as unknown as SchemaDefinition;
    if (def.type === "object") return Object.keys(def.shape ?? {});
    current = def.innerType ?? def.in;
  }
  return undefined;
}
