import { faults } from "../errors.ts";
import { Double, decimal, isInt32 } from "./numbers.ts";
import { WireDate, WireDouble, WireLong, WireString } from "./package-codec.ts";
import { cleaned, isSendable } from "./text.ts";

export interface EncodeOptions {
  /** Send nothing as `<nil/>`; otherwise a member without a value is left out, and elsewhere it is an empty string. */
  nil: boolean;
  /** Send whole numbers beyond 32 bits as `<i8>`; otherwise they are doubles. */
  i8: boolean;
  /** Send text that XML cannot carry as base64 of its UTF-8; otherwise it is cleaned. */
  base64: boolean;
}

/** A value that is written already. */
export class Encoded {
  readonly xml: string;

  constructor(xml: string) {
    this.xml = xml;
  }
}

export const DEEPEST = 500;

/** A value as the package's serializer gets it right. */
export function plain(value: unknown, options: EncodeOptions, depth: number): unknown {
  if (depth > DEEPEST) throw faults.unsendable(`It is nested deeper than ${DEEPEST} levels.`);
  switch (typeof value) {
    case "string":
      return options.base64 && !isSendable(value) ? Buffer.from(value, "utf8") : new WireString(cleaned(value));
    case "number":
      return number(value, options);
    case "boolean":
      return value;
    case "undefined":
      return options.nil ? null : new WireString("");
    case "object":
      if (value === null) return options.nil ? null : new WireString("");
      if (value instanceof Double) return double(value.value);
      if (value instanceof Date) return new WireDate(dateText(value));
      if (value instanceof Uint8Array) return Buffer.isBuffer(value) ? value : Buffer.from(value);
      if (Array.isArray(value)) return value.map((item) => plain(item, options, depth + 1));
      return struct(value as Record<string, unknown>, options, depth);
    default:
      throw faults.unsendable(`It holds a ${typeof value}.`);
  }
}

function number(value: number, options: EncodeOptions): unknown {
  if (isInt32(value)) return value;
  if (options.i8 && Number.isSafeInteger(value) && !Object.is(value, -0)) return new WireLong(String(value));
  return double(value);
}

function double(value: number): unknown {
  if (!Number.isFinite(value)) throw faults.unsendable("It holds a number that is not finite.");
  return new WireDouble(decimal(value));
}

function dateText(date: Date): string {
  if (Number.isNaN(date.getTime())) throw faults.unsendable("It holds a date that is none.");
  const text = date.toISOString();
  if (!/^\d{4}-/.test(text)) throw faults.unsendable("It holds a date beyond the year 9999.");
  return text.slice(0, 19).replaceAll("-", "");
}

function struct(value: Record<string, unknown>, options: EncodeOptions, depth: number): unknown {
  // Without a prototype, so that a member may have any name.
  const result: Record<string, unknown> = Object.create(null);
  for (const [name, member] of members(value, options)) result[name] = plain(member, options, depth + 1);
  return result;
}

/** The members that are sent, under names that XML can carry, each once. */
export function* members(value: Record<string, unknown>, options: EncodeOptions): Generator<[string, unknown]> {
  let renamed: Set<string> | undefined;
  for (const name of Object.keys(value)) {
    const member = value[name];
    if ((member === null && !options.nil) || member === undefined) continue;
    let sent = cleaned(name);
    if (sent !== name) {
      renamed ??= new Set(Object.keys(value));
      while (renamed.has(sent)) sent += "\ufffd";
      renamed.add(sent);
    }
    yield [sent, member];
  }
}

export function isStruct(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    !(value instanceof Double) &&
    !(value instanceof Encoded) &&
    !(value instanceof Date) &&
    !(value instanceof Uint8Array) &&
    !Array.isArray(value)
  );
}
