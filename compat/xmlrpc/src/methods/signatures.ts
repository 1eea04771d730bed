import { type ApiMethod, z } from "belfry";
import { shapeOf } from "./positions.ts";

interface JsonSchema {
  type?: string | string[];
  description?: string;
  anyOf?: JsonSchema[];
}

const TYPES: Record<string, string> = {
  integer: "int",
  number: "double",
  string: "string",
  boolean: "boolean",
  array: "array",
  object: "struct",
};

/** The types of XML-RPC that a schema stands for, nothing aside; empty if it says none. */
function typesOf({ type = [], anyOf = [] }: JsonSchema): string[] {
  const types = [type, ...anyOf.map(typesOf)].flat();
  return [...new Set(types.map((name) => TYPES[name] ?? name))].filter((name) => name !== "null");
}

/** The one type that a schema stands for; `undefined` if there is none or there are several. */
function typeOf(schema: JsonSchema): string | undefined {
  const types = typesOf(schema);
  return types.length === 1 ? types[0] : undefined;
}

const schemaOf = (schema: z.ZodType, io: "input" | "output") =>
  z.toJSONSchema(schema, { io, unrepresentable: "any", reused: "inline" }) as JsonSchema;

/** With the parameters as one struct, and with all of them by position if each has one type. */
export function signaturesOf(method: ApiMethod): string[][] {
  const result = typeOf(schemaOf(method.result, "output")) ?? "struct";
  const params = Object.values(shapeOf(method.params) ?? {});
  if (params.length === 0) return [[result]];
  const types = params.map((param) => typeOf(schemaOf(param, "input")));
  const byName = [result, "struct"];
  return types.every((type) => type !== undefined) ? [byName, [result, ...types]] : [byName];
}

/** What a method does and takes, in words. */
export function helpOf(method: ApiMethod): string {
  const params = Object.entries(shapeOf(method.params) ?? {});
  const lines = params.map(([name, param]) => {
    const schema = schemaOf(param, "input");
    const needed = param.safeParse(undefined).success ? "" : ", required";
    return `  ${name} (${typeOf(schema) ?? "any"}${needed})${schema.description ? `: ${schema.description}` : ""}`;
  });
  const taken = lines.length === 0 ? ["Takes no parameters."] : ["Takes, by position or as one struct:", ...lines];
  const needs = `Needs the scope "${method.permission}"; ${method.stability ?? "experimental"}.`;
  return [method.summary, needs, ...taken].join("\n");
}
