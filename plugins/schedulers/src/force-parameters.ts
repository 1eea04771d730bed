import { isDeepStrictEqual } from "node:util";
import { type ForceContext, type FormField, type Json, z } from "belfry";
import { compilePattern, type ParameterFault, readValue, textOf } from "./force-values.ts";

const name = z.string().min(1).max(256);
const shown = {
  label: z.string().max(200).optional(),
  help: z.string().max(2_000).optional(),
  required: z.boolean().default(false),
};
const pattern = z.instanceof(RegExp).optional();
const length = z.int().min(0).max(1_000_000);

const texts = { minLength: length.optional(), maxLength: length.optional(), pattern, default: z.string().optional() };
const choice = z.union([z.string(), z.strictObject({ value: z.json(), label: z.string() })]);
const choices = {
  choices: z.array(choice).min(1).max(1_000),
  strict: z.boolean().default(true),
};

const leaves = [
  z.strictObject({ type: z.literal("string"), name, ...shown, ...texts }),
  z.strictObject({ type: z.literal("text"), name, ...shown, ...texts }),
  z.strictObject({ type: z.literal("revision"), name, ...shown, ...texts }),
  z.strictObject({
    type: z.literal("int"),
    name,
    ...shown,
    min: z.int().optional(),
    max: z.int().optional(),
    default: z.int().optional(),
  }),
  z.strictObject({ type: z.literal("boolean"), name, ...shown, default: z.boolean().default(false) }),
  z.strictObject({ type: z.literal("choice"), name, ...shown, ...choices, default: z.json().optional() }),
  z.strictObject({
    type: z.literal("choices"),
    name,
    ...shown,
    ...choices,
    min: z.int().min(0).optional(),
    max: z.int().min(1).optional(),
    default: z.array(z.json()).optional(),
  }),
  z.strictObject({
    type: z.literal("worker"),
    name,
    ...shown,
    workers: z.array(z.string()).min(1).optional(),
    default: z.string().optional(),
  }),
  z.strictObject({
    type: z.literal("file"),
    name,
    ...shown,
    maxBytes: z.int().min(1).max(5_000_000).default(100_000),
  }),
  z.strictObject({
    type: z.literal("codebase"),
    /** The codebase's; "" where there is one without a name. */
    name: z.string().max(255),
    ...shown,
    ask: z
      .array(z.enum(["repository", "branch", "revision"]))
      .min(1)
      .default(["branch", "revision"]),
    branches: z.array(z.string().min(1)).min(1).max(1_000).optional(),
  }),
  z.strictObject({ type: z.literal("json"), name, ...shown, default: z.json().optional() }),
  z.strictObject({ type: z.literal("fixed"), name, value: z.json() }),
] as const;

const leaf = z.discriminatedUnion("type", leaves);
export type Leaf = z.output<typeof leaf>;

export interface Group {
  type: "group";
  /** With a name, its values are the members of one property of this name. */
  name?: string | undefined;
  label?: string | undefined;
  help?: string | undefined;
  layout: "vertical" | "horizontal" | "tabs";
  parameters: Parameter[];
}
export type Parameter = Leaf | Group;

/** One thing that a forced build asks for. */
export type ForceParameter =
  | z.input<typeof leaf>
  | (Omit<Group, "layout" | "parameters"> & { layout?: Group["layout"]; parameters: ForceParameter[] });

const parameter: z.ZodType<Parameter, ForceParameter> = z.lazy(() =>
  z.discriminatedUnion("type", [
    ...leaves,
    z.strictObject({
      type: z.literal("group"),
      name: name.optional(),
      label: shown.label,
      help: shown.help,
      layout: z.enum(["vertical", "horizontal", "tabs"]).default("vertical"),
      parameters: z.array(parameter).min(1).max(200),
    }),
  ]),
) as never;

/** The option of the form: names are unique, and defaults would be taken. */
export const forceParameters = z
  .array(parameter)
  .max(200)
  .superRefine((list, ctx) =>
    check(list, [], new Set(), true, (path, message) => ctx.addIssue({ code: "custom", path, message })),
  );

/** What is asked for, but for what belongs to groups with a name. */
export function leavesOf(list: readonly Parameter[]): Leaf[] {
  return list.flatMap((one) => {
    if (one.type !== "group") return [one];
    return one.name === undefined ? leavesOf(one.parameters) : [];
  });
}

type Path = (string | number)[];

function check(
  list: readonly Parameter[],
  path: Path,
  names: Set<string>,
  top: boolean,
  report: (path: Path, message: string) => void,
): void {
  for (const [i, one] of list.entries()) {
    const at = [...path, i];
    if (one.name !== undefined) {
      const key = one.type === "codebase" ? `codebase ${one.name}` : one.name;
      if (names.has(key)) report([...at, "name"], `"${one.name}" is asked for twice`);
      names.add(key);
    }
    if (!top && (one.type === "codebase" || one.type === "revision"))
      report([...at, "type"], "cannot be in a group with a name: it is no part of a property");
    if (one.type === "group") {
      const inner = one.name === undefined;
      check(one.parameters, [...at, "parameters"], inner ? names : new Set(), top && inner, report);
      continue;
    }
    const limits = one as { min?: number; max?: number; minLength?: number; maxLength?: number };
    if (limits.min !== undefined && limits.max !== undefined && limits.min > limits.max)
      report([...at, "max"], "is less than `min`");
    if (limits.minLength !== undefined && limits.maxLength !== undefined && limits.minLength > limits.maxLength)
      report([...at, "maxLength"], "is less than `minLength`");
    const fallback = "default" in one ? one.default : undefined;
    if (fallback === undefined || one.type === "worker" || one.type === "fixed" || one.type === "codebase") continue;
    const read = readValue(one, fallback as Json, { workers: [] });
    if ("wanted" in read) report([...at, "default"], `expected ${read.wanted}`);
  }
}

/** Reads what was given by a form, adds the defaults, and tells every fault with its path. */
export function readParameters(
  list: readonly Parameter[],
  given: Record<string, Json>,
  ctx: ForceContext,
  path: string,
  faults: ParameterFault[],
): Record<string, Json> {
  const values: [string, Json][] = [];
  const known = new Set<string>();
  const read = (parameters: readonly Parameter[]) => {
    for (const one of parameters) {
      if (one.type === "group" && one.name === undefined) {
        read(one.parameters);
        continue;
      }
      // Given beside the properties.
      if (one.type === "codebase") continue;
      const key = one.name as string;
      const at = `${path}.${key}`;
      known.add(key);
      const value = Object.hasOwn(given, key) ? given[key] : undefined;
      if (one.type === "group") {
        const members = value === undefined ? {} : value;
        if (typeof members !== "object" || members === null || Array.isArray(members)) {
          faults.push({ path: at, message: "expected an object" });
          continue;
        }
        values.push([key, readParameters(one.parameters, members, ctx, at, faults)]);
        continue;
      }
      const { value: taken, fault } = readOne(one, value, ctx);
      if (fault !== undefined) faults.push({ path: at, message: fault });
      else if (taken !== undefined) values.push([key, taken]);
    }
  };
  read(list);
  for (const key of Object.keys(given)) {
    if (!known.has(key)) faults.push({ path: `${path}.${textOf(key)}`, message: "is not asked for" });
  }
  return Object.fromEntries(values);
}

function readOne(
  one: Exclude<Leaf, { type: "codebase" }>,
  given: Json | undefined,
  ctx: ForceContext,
): { value?: Json; fault?: string } {
  if (one.type === "fixed") {
    const other = given !== undefined && !isDeepStrictEqual(given, one.value);
    return other ? { fault: "cannot be chosen" } : { value: structuredClone(one.value) };
  }
  const empty = given === undefined || given === null || given === "";
  if (empty) {
    const fallback = "default" in one ? (one.default as Json | undefined) : undefined;
    // An empty text is a text, where there is nothing to fall back to.
    const value =
      given === "" && fallback === undefined && (one.type === "string" || one.type === "text") ? "" : fallback;
    if (one.required && (value === undefined || value === "" || (Array.isArray(value) && value.length === 0)))
      return { fault: "is needed" };
    return value === undefined ? {} : { value: structuredClone(value) };
  }
  const read = readValue(one, given, ctx);
  if ("wanted" in read) return { fault: `expected ${read.wanted}` };
  if (one.required && Array.isArray(read.value) && read.value.length === 0) return { fault: "is needed" };
  return { value: read.value };
}

/** The form as data. */
export function formOf(
  list: readonly Parameter[],
  ctx: ForceContext,
  codebase: (one: Extract<Leaf, { type: "codebase" }>) => FormField,
): FormField[] {
  return list.map((one): FormField => {
    if (one.type === "codebase") return codebase(one);
    const head = {
      name: one.name ?? null,
      type: one.type,
      label: labelOf(one),
      help: ("help" in one && one.help) || null,
    };
    if (one.type === "group")
      return {
        ...head,
        required: false,
        default: null,
        fields: formOf(one.parameters, ctx, codebase),
        limits: { layout: one.layout },
      };
    if (one.type === "fixed") return { ...head, required: false, default: structuredClone(one.value) };
    const fallback = "default" in one ? ((one.default as Json | undefined) ?? null) : null;
    const listed =
      "choices" in one
        ? one.choices.map((item) => (typeof item === "string" ? { value: item, label: item } : structuredClone(item)))
        : one.type === "worker"
          ? (one.workers ?? ctx.workers).map((worker) => ({ value: worker, label: worker }))
          : undefined;
    return {
      ...head,
      required: one.required,
      default: structuredClone(fallback),
      ...(listed && { choices: listed }),
      limits: limitsOf(one),
    };
  });
}

const labelOf = (one: Parameter) => ("label" in one ? one.label : undefined) ?? one.name ?? "";

function limitsOf(one: Leaf): Record<string, Json> {
  const limits: Record<string, Json> = {};
  for (const key of ["min", "max", "minLength", "maxLength", "maxBytes", "strict"] as const) {
    const value = (one as Record<string, unknown>)[key];
    if (value !== undefined) limits[key] = value as Json;
  }
  const source = "pattern" in one ? compilePattern(one.pattern)?.source : undefined;
  if (source !== undefined) limits.pattern = source;
  return limits;
}
