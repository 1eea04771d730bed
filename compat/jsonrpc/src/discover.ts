import { type ApiMethod, type Json, version, z } from "belfry";
import { type Methods, type OwnMethod, ownMethod } from "./methods.ts";

interface Schema {
  properties?: Record<string, Schema>;
  required?: string[];
  description?: string;
  [member: string]: unknown;
}

/** `rpc.discover`: all methods that can be called in the same place, as an OpenRPC document. */
export function discoverMethod(methods: () => Methods): OwnMethod {
  let made: Promise<Json> | undefined;
  return ownMethod({
    name: "rpc.discover",
    summary: "This document: all methods, in the form of OpenRPC.",
    params: z.strictObject({}),
    result: z.record(z.string(), z.json()),
    call() {
      made ??= describe(methods().list());
      return made;
    },
  });
}

async function describe(methods: readonly (ApiMethod | OwnMethod)[]): Promise<Json> {
  const described: Json[] = [];
  for (const method of methods) {
    described.push(describeMethod(method));
    // All together they take some milliseconds, and more with every plugin.
    if (described.length % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return {
    openrpc: "1.3.2",
    info: { title: "Belfry", version, description: "The status and control methods of a build master." },
    methods: described,
  };
}

function describeMethod(method: ApiMethod | OwnMethod): Json {
  const params = schemaOf(method.params, "input");
  const descriptors = Object.entries(params.properties ?? {}).map(([name, schema]) => ({
    name,
    required: params.required?.includes(name) ?? false,
    ...(schema.description === undefined ? {} : { summary: schema.description }),
    schema,
  }));
  const { example, permission = "read", stability = "experimental" } = method as Partial<ApiMethod>;
  const values = typeof example === "object" && example !== null ? Object.entries(example) : [];
  return {
    name: method.name,
    summary: method.summary,
    paramStructure: "either",
    params: descriptors,
    result: { name: "result", schema: schemaOf(method.result, "output") },
    ...(example === undefined
      ? {}
      : { examples: [{ name: "example", params: values.map(([name, value]) => ({ name, value })) }] }),
    "x-permission": permission,
    "x-stability": stability,
  } as unknown as Json;
}

function schemaOf(schema: z.ZodType, io: "input" | "output"): Schema {
  const { $schema: _, $defs: __, ...plain } = z.toJSONSchema(schema, { io, unrepresentable: "any", reused: "inline" });
  return withoutReferences(plain) as Schema;
}

/** A reference leads to the root of the document, where nothing is. Only "any JSON" refers to itself. */
function withoutReferences(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutReferences);
  if (Object.hasOwn(value, "$ref")) return {};
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withoutReferences(member)]));
}
