import { isDeepStrictEqual } from "node:util";
import type { ForceContext, Json } from "belfry";
import type { Leaf } from "./force-parameters.ts";

export interface ParameterFault {
  path: string;
  message: string;
}

/** A value that can be used, or in words what it would have to be. */
type Read = { value: Json } | { wanted: string };

const LONGEST = { string: 1_000, text: 100_000, revision: 500 };

/** Forms and command lines give everything as text, so texts are read where they can mean one thing only. */
export function readValue(one: Exclude<Leaf, { type: "fixed" | "codebase" }>, given: Json, ctx: ForceContext): Read {
  switch (one.type) {
    case "string":
    case "text":
    case "revision": {
      const { minLength = 0, maxLength = LONGEST[one.type] } = one;
      if (typeof given !== "string") return { wanted: "a text" };
      if (one.type !== "text" && /[\r\n]/.test(given)) return { wanted: "a text of one line" };
      if (given.length < minLength) return { wanted: `at least ${minLength} characters` };
      if (given.length > maxLength) return { wanted: `at most ${maxLength} characters` };
      const pattern = compilePattern(one.pattern);
      if (pattern && !pattern.test(given)) return { wanted: `a text that fits ${pattern}` };
      return { value: given };
    }
    case "int": {
      const value = typeof given === "string" && /^[+-]?\d{1,15}$/.test(given.trim()) ? Number(given) : given;
      if (typeof value !== "number" || !Number.isSafeInteger(value)) return { wanted: "a whole number" };
      if (one.min !== undefined && value < one.min) return { wanted: `${one.min} or more` };
      if (one.max !== undefined && value > one.max) return { wanted: `${one.max} or less` };
      return { value };
    }
    case "boolean":
      if (given === "true" || given === "false") return { value: given === "true" };
      return typeof given === "boolean" ? { value: given } : { wanted: "true or false" };
    case "choice":
      return readChoice(one, given);
    case "choices": {
      const list = typeof given === "string" ? [given] : given;
      if (!Array.isArray(list)) return { wanted: "a list" };
      if (one.min !== undefined && list.length < one.min) return { wanted: `at least ${one.min} of them` };
      if (list.length > (one.max ?? 1_000)) return { wanted: `at most ${one.max ?? 1_000} of them` };
      for (const [i, item] of list.entries()) {
        const read = readChoice(one, item);
        if ("wanted" in read) return read;
        if (list.findIndex((other) => isDeepStrictEqual(other, item)) !== i) return { wanted: "each of them once" };
      }
      return { value: structuredClone(list) };
    }
    case "worker": {
      const workers = one.workers ?? ctx.workers;
      return typeof given === "string" && workers.includes(given) ? { value: given } : { wanted: oneOf(workers) };
    }
    case "file":
      return readFile(given, one.maxBytes);
    case "json":
      return { value: structuredClone(given) };
  }
}

function readChoice({ choices, strict }: Extract<Leaf, { type: "choice" | "choices" }>, given: Json): Read {
  const values = choices.map((item) => (typeof item === "string" ? item : item.value));
  if (values.some((value) => isDeepStrictEqual(value, given))) return { value: structuredClone(given) };
  if (!strict && typeof given === "string" && given.length <= LONGEST.string) return { value: given };
  return { wanted: oneOf(values) };
}

function readFile(given: Json, maxBytes: number): Read {
  const wanted = "a file as { name, base64 }";
  if (typeof given !== "object" || given === null || Array.isArray(given)) return { wanted };
  const { name, base64, ...others } = given;
  if (typeof name !== "string" || typeof base64 !== "string" || Object.keys(others).length > 0) return { wanted };
  if (name.length === 0 || name.length > 255 || /[/\\\0]/.test(name))
    return { wanted: "a file's name without folders" };
  // Longer than this it is too large whatever it holds; the exact size is known when it is read.
  if (base64.length > Math.ceil(maxBytes / 3) * 4) return { wanted: `at most ${maxBytes} bytes` };
  const bytes = Buffer.from(base64, "base64");
  if (bytes.toString("base64") !== base64) return { wanted: "the file's content in base64" };
  return bytes.length > maxBytes ? { wanted: `at most ${maxBytes} bytes` } : { value: { name, base64 } };
}

function oneOf(values: readonly Json[]): string {
  const shown = values.slice(0, 20).map((value) => textOf(JSON.stringify(value)));
  return `one of ${shown.join(", ")}${values.length > shown.length ? ` and ${values.length - shown.length} more` : ""}`;
}

/** A pattern with the flag g or y remembers where it stopped, and would answer differently the next time. */
export function compilePattern(pattern: RegExp | undefined): RegExp | undefined {
  return pattern && new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ""));
}

/** What somebody gave, short enough for a message. */
export function textOf(text: string): string {
  return text.length > 100 ? `${text.slice(0, 99)}…` : text;
}
