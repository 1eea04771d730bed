// Records the shapes of stable methods: `node --conditions=source test/tools/stable-methods.ts`. What was recorded
// before is only added to; what a method lost is a break of its promise, which the test tells.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type ApiMethod, z } from "belfry";
import { coreMethods } from "./api-reference.ts";
import { root } from "./packages.ts";

export const RECORD = join(root, "test/core/api/stable-methods.json");

/** What is compared of a JSON Schema. */
export interface Shape {
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  anyOf?: Shape[];
  items?: Shape;
  properties?: Record<string, Shape>;
  additionalProperties?: boolean | Shape;
  required?: string[];
}

export interface StableMethod {
  permission: string;
  params: Shape;
  result: Shape;
}

const KEPT = new Set(["type", "const", "enum", "anyOf", "items", "additionalProperties", "required"]);

function essence(schema: Record<string, unknown>): Shape {
  const kept = Object.entries(schema).flatMap(([key, value]): [string, unknown][] => {
    if (key === "properties")
      return [
        [
          key,
          Object.fromEntries(
            Object.entries(value as object).map(([name, inner]) => [name, essence(inner as Record<string, unknown>)]),
          ),
        ],
      ];
    if (!KEPT.has(key)) return [];
    if (Array.isArray(value) && key === "anyOf") return [[key, value.map(essence)]];
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return [[key, essence(value as never)]];
    return [[key, value]];
  });
  return Object.fromEntries(kept);
}

export function shapeOf({ permission, params, result }: ApiMethod): StableMethod {
  const schema = (of: z.ZodType, io: "input" | "output") =>
    essence(z.toJSONSchema(of, { io, unrepresentable: "any", reused: "inline" }) as Record<string, unknown>);
  return { permission, params: schema(params, "input"), result: schema(result, "output") };
}

export const stableMethods = (): Record<string, StableMethod> =>
  Object.fromEntries(
    coreMethods()
      .filter(({ stability }) => stability === "stable")
      .map((method) => [method.name, shapeOf(method)]),
  );

export async function recorded(): Promise<Record<string, StableMethod>> {
  return JSON.parse(await readFile(RECORD, "utf8"));
}

/**
 * How `now` breaks what was promised in `then`, each with its path. A result may gain members; parameters may gain
 * those that can be left out. What was accepted is accepted, and what was given is given.
 */
export function breaks(then: StableMethod, now: StableMethod): string[] {
  const found: string[] = [];
  if (then.permission !== now.permission) found.push(`permission: it was ${then.permission} and is ${now.permission}`);
  narrower(then.params, now.params, "params", found);
  narrower(now.result, then.result, "result", found);
  for (const [path, lost] of missing(then.result, now.result, "result")) found.push(`${path}: ${lost}`);
  return found;
}

const typesOf = (shape: Shape): string[] =>
  shape.anyOf
    ? shape.anyOf.flatMap(typesOf)
    : shape.enum
      ? shape.enum.map((value) => JSON.stringify(value))
      : shape.const !== undefined
        ? [JSON.stringify(shape.const)]
        : shape.type === undefined
          ? ["any"]
          : [shape.type].flat();

/** Where `wide` does not take everything that `some` takes. */
function narrower(some: Shape, wide: Shape, path: string, found: string[]): void {
  const taken = typesOf(wide);
  const plain = taken.includes("any") ? [] : typesOf(some).filter((type) => !taken.includes(type));
  const values = plain.filter((type) => !(type.startsWith('"') && taken.includes("string")));
  if (values.length > 0) found.push(`${path}: ${values.join(", ")} is not possible there`);
  for (const name of wide.required ?? [])
    if (!(some.required ?? []).includes(name) && path.startsWith("params"))
      found.push(`${path}.${name}: is needed now`);
  for (const [name, inner] of Object.entries(some.properties ?? {})) {
    const other = wide.properties?.[name];
    if (other) narrower(inner, other, `${path}.${name}`, found);
    else if (path.startsWith("params")) found.push(`${path}.${name}: is gone`);
  }
  if (some.items && wide.items) narrower(some.items, wide.items, `${path}[]`, found);
}

/** Members of results that are gone, or not always there any more. */
function* missing(then: Shape, now: Shape, path: string): Generator<[string, string]> {
  for (const [name, inner] of Object.entries(then.properties ?? {})) {
    const other = now.properties?.[name];
    if (!other) yield [`${path}.${name}`, "is gone"];
    else {
      if (then.required?.includes(name) && !now.required?.includes(name))
        yield [`${path}.${name}`, "is not always there any more"];
      yield* missing(inner, other, `${path}.${name}`);
    }
  }
  if (then.items && now.items) yield* missing(then.items, now.items, `${path}[]`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const before = await recorded().catch(() => ({}) as Record<string, StableMethod>);
  const broken = Object.entries(stableMethods()).filter(
    ([name, now]) => before[name] && breaks(before[name], now).length,
  );
  if (broken.length > 0) throw new Error(`not recorded, since promises are broken: ${broken.map(([name]) => name)}`);
  await writeFile(RECORD, `${JSON.stringify({ ...before, ...stableMethods() }, undefined, 1)}\n`);
}
