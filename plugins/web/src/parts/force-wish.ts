import type { FormField, Json } from "belfry";
import { faults } from "../errors.ts";
import type { View } from "../extension.ts";
import { CODEBASE, PROPERTY } from "./force-field.ts";

/** What a form of `forceForms` asks for, as parameters of `schedulers.force`. The scheduler checks the values. */
export async function forceWish(fields: URLSearchParams, view: View): Promise<Json> {
  const { items } = await view.ask("schedulers.list", {});
  const scheduler = items.find(({ name }) => name === fields.get("scheduler"));
  const form = (scheduler?.form ?? null) as FormField[] | null;
  const text = (name: string) => fields.get(name) || undefined;
  const priority = text("priority");
  if (priority !== undefined && !/^-?\d{1,10}$/.test(priority))
    throw unreadable("The priority", "priority", "is no whole number");
  const properties = form === null ? object(text("properties") ?? "{}") : propertiesOf(form, PROPERTY, fields);
  const codebases = codebasesOf(form ?? [], fields);
  const wish = {
    scheduler: fields.get("scheduler") ?? "",
    builders: [fields.get("builder") ?? ""],
    ...(text("branch") && { branch: text("branch") }),
    ...(text("revision") && { revision: text("revision") }),
    ...(text("reason") && { reason: text("reason") }),
    ...(priority !== undefined && { priority: Number(priority) }),
    ...(Object.keys(codebases).length > 0 && { codebases }),
    properties,
  };
  return wish as Json;
}

function propertiesOf(form: readonly FormField[], before: string, fields: URLSearchParams): Record<string, Json> {
  const found: Record<string, Json> = {};
  for (const field of form) {
    if (field.type === "group") {
      const inner = propertiesOf(field.fields ?? [], field.name === null ? before : `${before}${field.name}.`, fields);
      if (field.name === null) Object.assign(found, inner);
      else if (Object.keys(inner).length > 0) found[field.name] = inner;
      continue;
    }
    if (field.type === "fixed" || field.type === "codebase" || field.name === null) continue;
    const value = readField(field, before, fields);
    if (value !== undefined) found[field.name] = value;
  }
  return found;
}

/** What was given for a field; `undefined` for nothing, so that the default counts. */
function readField({ type, name, label }: FormField, before: string, fields: URLSearchParams): Json | undefined {
  const given = fields.getAll(`${before}${name}`);
  const first = given[0] ?? "";
  const path = `properties.${before.slice(PROPERTY.length)}${name}`;
  switch (type) {
    case "boolean":
      return first === "true";
    case "choices":
      return given.map((one) => json(one, `"${label}"`, path));
    case "string":
    case "revision":
      return first === "" ? undefined : first;
    case "text":
      // A browser ends lines as mail does.
      return first === "" ? undefined : first.replaceAll("\r\n", "\n");
    case "int":
      return first === "" ? undefined : /^-?\d{1,15}$/.test(first) ? Number(first) : first;
    default:
      return first === "" ? undefined : json(first, `"${label}"`, path);
  }
}

function codebasesOf(form: readonly FormField[], fields: URLSearchParams): Record<string, Record<string, string>> {
  const found: Record<string, Record<string, string>> = {};
  for (const field of form.flatMap((one) => (one.type === "group" ? (one.fields ?? []) : [one]))) {
    if (field.type !== "codebase") continue;
    for (const part of (field.limits?.["ask"] ?? []) as string[]) {
      const given = fields.get(`${CODEBASE}${part}.${field.name}`);
      if (!given) continue;
      found[field.name ?? ""] = { ...found[field.name ?? ""], [part]: given };
    }
  }
  return found;
}

function json(text: string, what: string, path: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw unreadable(what, path, "cannot be read as JSON");
  }
}

function object(text: string): Json {
  const value = json(text, "The properties", "properties");
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw unreadable("The properties", "properties", 'are no JSON object, such as {"name": "value"}');
  return value;
}

const unreadable = (what: string, path: string, message: string) =>
  faults.formBroken(`${what} ${message}.`, [{ path, message }]);
