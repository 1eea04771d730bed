import { createHash } from "node:crypto";
import { isRenderable, wholeText } from "../interfaces/properties.ts";
import { isPlugin } from "../plugins/define.ts";

const numbers = new WeakMap<object, number>();
let next = 1;

/** One number for each object, for those that can be told apart by nothing else. */
function numberOf(value: object): number {
  const known = numbers.get(value);
  if (known !== undefined) return known;
  numbers.set(value, next);
  next += 1;
  return next - 1;
}

/**
 * Two values of one print are the same for a configuration. Data is compared as data; functions, and objects
 * that are more than data, by the code of the local modules they were loaded with, or else by identity.
 */
export function printOf(value: unknown, code: string | undefined): string {
  return createHash("sha256")
    .update(tell(value, code, []))
    .digest("base64url");
}

function tell(value: unknown, code: string | undefined, above: readonly object[]): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return `function ${code ?? numberOf(value)} ${code ? String(value) : ""}`;
  if (typeof value !== "object" || value === null) return `${typeof value} ${String(value)}`;
  if (above.includes(value)) return `again ${above.length - above.indexOf(value)}`;
  const path = [...above, value];
  const list = (items: Iterable<unknown>) => [...items].map((item) => tell(item, code, path)).join();
  if (Array.isArray(value)) return `[${list(value)}]`;
  if (isPlugin(value)) return `plugin ${value.name}`;
  if (value instanceof RegExp || value instanceof URL) return `${value.constructor.name} ${value}`;
  if (value instanceof Date) return `date ${value.getTime()}`;
  if (value instanceof Map || value instanceof Set) return `${value.constructor.name} [${list(value)}]`;
  if (ArrayBuffer.isView(value))
    return `bytes ${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64")}`;
  if (isRenderable(value)) return `render ${wholeText(value) ?? code ?? numberOf(value)} ${JSON.stringify(value)}`;
  // What is in it may be anything, a whole master; it cannot be compared as data.
  if (!isData(value)) return `more ${value.constructor?.name} ${code ?? numberOf(value)}`;
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => `${JSON.stringify(key)}:${tell(item, code, path)}`);
  return `{${entries.join()}}`;
}

export function isData(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
