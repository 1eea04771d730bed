import type { ApiMethod, z } from "belfry";
import { faults } from "../errors.ts";

interface SchemaDefinition {
  type: string;
  shape?: Record<string, z.ZodType>;
  innerType?: z.ZodType;
  in?: z.ZodType;
}

/** The members of an object's schema, through what may be around it; `undefined` for any other schema. */
export function shapeOf(schema: z.ZodType): Record<string, z.ZodType> | undefined {
  let current: z.ZodType | undefined = schema;
  while (current !== undefined) {
    const def = current.def as unknown as SchemaDefinition;
    if (def.type === "object") return def.shape ?? {};
    current = def.innerType ?? def.in;
  }
  return undefined;
}

/** Parameters of a method of the API: one struct of them by name, or by position in the order of its schema. */
export function namedParams(method: ApiMethod, params: readonly unknown[]): Record<string, unknown> {
  const [first] = params;
  if (params.length === 0) return {};
  if (params.length === 1 && isStruct(first)) return jsonOf(method.name, first) as Record<string, unknown>;
  const shape = shapeOf(method.params);
  if (shape === undefined) throw faults.positions(method.name, "They have no fixed order.");
  const names = Object.keys(shape);
  if (params.length > names.length) {
    const list = names.length === 0 ? "none" : names.join(", ");
    throw faults.positions(method.name, `There are ${params.length}, and it takes ${names.length}: ${list}.`);
  }
  const named: Record<string, unknown> = {};
  for (const [index, param] of params.entries()) {
    const name = names[index] as string;
    // By position, nil stands for a parameter that is not given.
    if (param === null && !shape[name]?.safeParse(null).success) continue;
    named[name] = jsonOf(method.name, param);
  }
  return named;
}

/** A decoded value as the API takes it: dates as milliseconds, bytes as the text that they are in UTF-8. */
function jsonOf(method: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Date) return value.getTime();
  if (value instanceof Uint8Array) {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
    } catch {
      throw faults.positions(method, "A <base64> is not text in UTF-8, and there is no other use for it here.");
    }
  }
  if (Array.isArray(value)) return value.map((item) => jsonOf(method, item));
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, jsonOf(method, member)]));
}

function isStruct(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !(value instanceof Uint8Array)
  );
}
