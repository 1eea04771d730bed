import { faults } from "../errors.ts";

const INT_MAX = 2_147_483_647;
const LONG_MAX = 9_223_372_036_854_775_807n;

const INTEGER = /^[+-]?\d+$/;
// An exponent is not in the specification, but Python's client writes one.
const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,5})?$/;
const DATE = /^(\d{4})(-?)(\d\d)\2(\d\d)T(\d\d):?(\d\d):?(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d(?::?\d\d)?)?$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const LONGEST_NUMBER = 400;

/** The canonical element of a scalar, as the package's deserializer reads it right. Throws on what is not the grammar's. */
type Check = (text: string, tag: string) => string;

const integer =
  (most: bigint): Check =>
  (text, tag) => {
    if (!INTEGER.test(text) || text.length > LONGEST_NUMBER) throw faults.value(tag, "It is not a whole number.");
    const value = BigInt(text.replace(/^\+/, ""));
    if (value > most || value < -most - 1n) throw faults.value(tag, "It is out of the type's range.");
    // A number that JavaScript cannot hold exactly stays text.
    return Number.isSafeInteger(Number(value)) ? `<int>${value}</int>` : `<string>${value}</string>`;
  };

const double: Check = (text, tag) => {
  if (!DECIMAL.test(text) || text.length > LONGEST_NUMBER * 3) throw faults.value(tag, "It is not a decimal number.");
  if (!Number.isFinite(Number(text))) throw faults.value(tag, "It is out of the type's range.");
  return `<double>${text}</double>`;
};

const boolean: Check = (text, tag) => {
  if (text !== "0" && text !== "1") throw faults.value(tag, "It is neither 0 nor 1.");
  return `<boolean>${text}</boolean>`;
};

/** What has no zone is taken as UTC. */
const dateTime: Check = (text, tag) => {
  const [, year, , month, day, hour, minute, second, fraction = "", zone = "Z"] = DATE.exec(text) ?? [];
  const offset = /^([+-]\d\d):?(\d\d)?$/.exec(zone);
  const at = offset ? `${offset[1]}:${offset[2] ?? "00"}` : "Z";
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.slice(0, 3).padEnd(3, "0")}`;
  const time = Date.parse(`${iso}Z`);
  // Date.parse lets the 31st of April pass as the 1st of May, and midnight be 24 o'clock.
  const real = !Number.isNaN(time) && new Date(time).toISOString() === `${iso}Z` && !Number.isNaN(Date.parse(iso + at));
  if (!real) throw faults.value(tag, "It is not a date and time such as 20260131T23:59:59.");
  return `<dateTime.iso8601>${iso}${at}</dateTime.iso8601>`;
};

const base64: Check = (text, tag) => {
  const packed = text.replace(/[\t\n\r ]+/g, "");
  if (packed.length % 4 !== 0 || !BASE64.test(packed)) throw faults.value(tag, "It is not base64.");
  return `<base64>${packed}</base64>`;
};

const nil: Check = (text, tag) => {
  if (text.trim() !== "") throw faults.value(tag, "It has to be empty.");
  return "<nil></nil>";
};

const string: Check = (text) => `<string>${escaped(text)}</string>`;

const int32 = integer(BigInt(INT_MAX));
const int64 = integer(LONG_MAX);

/** The types of the specification, and those of Apache's extensions that others send, too. */
export const SCALARS: ReadonlyMap<string, Check> = new Map([
  ["int", int32],
  ["i4", int32],
  ["boolean", boolean],
  ["string", string],
  ["double", double],
  ["dateTime.iso8601", dateTime],
  ["base64", base64],
  ["nil", nil],
  ["i8", int64],
  ["ex:nil", nil],
  ["ex:i1", integer(127n)],
  ["ex:i2", integer(32_767n)],
  ["ex:i8", int64],
  ["ex:float", double],
  ["ex:bigdecimal", double],
  ["ex:biginteger", integer(10n ** 300n)],
  ["ex:dateTime", dateTime],
]);

/** Text for the package's deserializer; its parser leaves a carriage return as it is. */
export function escaped(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}
