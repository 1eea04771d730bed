import { isDeepStrictEqual } from "node:util";
import { type Json, z } from "belfry";
import { faults } from "./errors.ts";

const name = z.string().min(1).max(256);

/** What a forced build may be given as one of its properties. */
export const forceProperty = z.strictObject({
  type: z.enum(["string", "number", "boolean", "json"]).default("string"),
  default: z.json().optional(),
  required: z.boolean().default(false),
  choices: z.array(z.json()).min(1).optional(),
  description: z.string().optional(),
});

export const forceProperties = z.record(name, forceProperty).superRefine((properties, ctx) => {
  for (const [key, property] of Object.entries(properties)) {
    const wanted = property.default === undefined ? undefined : refusal(property, property.default);
    if (wanted !== undefined) ctx.addIssue({ code: "custom", path: [key, "default"], message: `expected ${wanted}` });
  }
});

type ForceProperty = z.output<typeof forceProperty>;

/** Checks the properties of a wish and adds the defaults. Without a schema every property may be given. */
export function mergeProperties(
  scheduler: string,
  schema: Record<string, ForceProperty> | undefined,
  given: Record<string, Json>,
): Record<string, Json> {
  if (schema === undefined) return structuredClone(given);
  const unknown = Object.keys(given).filter((key) => !Object.hasOwn(schema, key));
  if (unknown.length > 0) throw faults.propertyUnknown(scheduler, unknown, Object.keys(schema));
  const merged: [string, Json][] = [];
  for (const [key, property] of Object.entries(schema)) {
    const value = Object.hasOwn(given, key) ? given[key] : property.default;
    if (value === undefined) {
      if (property.required) throw faults.propertyInvalid(scheduler, key, "given");
      continue;
    }
    const wanted = refusal(property, value);
    if (wanted !== undefined) throw faults.propertyInvalid(scheduler, key, wanted);
    merged.push([key, structuredClone(value)]);
  }
  return Object.fromEntries(merged);
}

/** What a value would have to be, if it cannot be used. */
function refusal({ type, choices }: ForceProperty, value: Json): string | undefined {
  if (type !== "json" && typeof value !== type) return `a ${type}`;
  if (choices === undefined || choices.some((choice) => isDeepStrictEqual(choice, value))) return undefined;
  return `one of ${choices
    .slice(0, 20)
    .map((choice) => JSON.stringify(choice))
    .join(", ")}`;
}
