import { z } from "zod";
import type { ApiMethod } from "../interfaces/api-method.ts";

/** What is used here of a JSON Schema. */
interface Schema {
  type?: string | string[];
  $ref?: string;
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  required?: string[];
  description?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
}

/** The reference of these methods as Markdown: what each is for, who may call it, what goes in, what comes out. */
export function apiReference(methods: readonly ApiMethod[]): string {
  const sorted = [...methods].sort((a, b) => (a.name < b.name ? -1 : 1));
  const rows = sorted.map(
    ({ name, permission, summary }) => `| [\`${name}\`](#${anchor(name)}) | ${permission} | ${cell(summary)} |`,
  );
  const contents = ["| method | needs | |", "| --- | --- | --- |", ...rows].join("\n");
  return `${[contents, ...sorted.map(section)].join("\n\n")}\n`;
}

function section(method: ApiMethod): string {
  const { name, summary, permission, stability = "experimental", example } = method;
  const params = jsonSchema(method.params, "input");
  const parts = [`## ${name}`, `${summary} Needs \`${permission}\`; ${stability}.`, parameters(params)];
  parts.push(`Result:\n\n\`\`\`ts\n${typeText(jsonSchema(method.result, "output"), "")}\n\`\`\``);
  if (example !== undefined) parts.push(`Example: \`${JSON.stringify({ method: name, params: example })}\``);
  return parts.join("\n\n");
}

function parameters(schema: Schema): string {
  const entries = Object.entries(schema.properties ?? {});
  if (entries.length === 0) return "No parameters.";
  const rows = entries.map(([key, value]) => {
    const needed = schema.required?.includes(key) ? "yes" : "";
    const meaning = [value.description, limits(value)].filter(Boolean).join("; ");
    return `| \`${key}\` | ${cell(code(value))} | ${needed} | ${cell(meaning)} |`;
  });
  return ["| parameter | type | required | |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

function jsonSchema(schema: z.ZodType, io: "input" | "output"): Schema {
  return z.toJSONSchema(schema, { io, unrepresentable: "any", reused: "inline" }) as Schema;
}

/** A schema as a type: on one line if it has no members, else a line for each, with what it means behind it. */
function typeText(schema: Schema, indent: string): string {
  if (schema.$ref !== undefined) return "Json";
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (Array.isArray(schema.type)) return schema.type.map((type) => typeText({ ...schema, type }, indent)).join(" | ");
  if (schema.anyOf) return schema.anyOf.map((one) => typeText(one, indent)).join(" | ");
  if (schema.type === "array") {
    const item = typeText(schema.items ?? {}, indent);
    return /^[\w.]+$|^\{/.test(item) ? `${item}[]` : `(${item})[]`;
  }
  if (schema.type !== "object") return schema.type ?? "Json";
  const members = Object.entries(schema.properties ?? {});
  if (members.length === 0) {
    const { additionalProperties } = schema;
    return typeof additionalProperties === "object" ? `{ [name]: ${typeText(additionalProperties, indent)} }` : "{}";
  }
  const inner = `${indent}  `;
  const lines = members.map(([key, value]) => {
    const mark = schema.required?.includes(key) ? "" : "?";
    const text = `${inner}${key}${mark}: ${typeText(value, inner)}`;
    return value.description === undefined ? text : `${text} // ${value.description}`;
  });
  return `{\n${lines.join("\n")}\n${indent}}`;
}

function code(schema: Schema): string {
  return `\`${typeText(schema, "")
    .replace(/ \/\/ [^\n]*/g, "")
    .replace(/\{\n\s*/g, "{ ")
    .replace(/\n\s*\}/g, " }")
    .replace(/\n\s*/g, "; ")}\``;
}

function limits(schema: Schema): string {
  const range = (least: number | undefined, most: number | undefined, noun: string): string => {
    const low = least !== undefined && least > Number.MIN_SAFE_INTEGER ? least : undefined;
    const high = most !== undefined && most < Number.MAX_SAFE_INTEGER ? most : undefined;
    if (low !== undefined && high !== undefined) return `${low} to ${high}${noun}`;
    if (low !== undefined) return `at least ${low}${noun}`;
    return high === undefined ? "" : `at most ${high}${noun}`;
  };
  return [
    range(schema.minimum, schema.maximum, ""),
    range(schema.minLength, schema.maxLength, " characters"),
    range(schema.minItems, schema.maxItems, (schema.minItems ?? schema.maxItems) === 1 ? " item" : " items"),
  ]
    .filter((text) => text !== "")
    .join(", ");
}

function cell(text: string): string {
  return text.replace(/\|/g, "\\|").replace(/\n/g, " ");
}

/** The anchor that a heading gets where Markdown is shown. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w -]/g, "")
    .replace(/ /g, "-");
}
