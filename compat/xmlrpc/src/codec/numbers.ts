/** A number that is to be a `<double>` even if it is whole. */
export class Double {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

const INT_MIN = -2_147_483_648;
const INT_MAX = 2_147_483_647;

/** Whether `<int>` can carry it: it has 32 bits and no negative zero. */
export function isInt32(value: number): boolean {
  return Number.isInteger(value) && value >= INT_MIN && value <= INT_MAX && !Object.is(value, -0);
}

/** A number in digits without an exponent, which `<double>` does not have; reading them gives the same number. */
export function decimal(value: number): string {
  if (Object.is(value, -0)) return "-0.0";
  const text = String(value);
  const [mantissa = "", exponent] = text.split("e");
  if (exponent === undefined) return text;
  const sign = mantissa.startsWith("-") ? "-" : "";
  const [whole = "", fraction = ""] = mantissa.slice(sign.length).split(".");
  const shift = Number(exponent);
  if (shift < 0) return `${sign}0.${"0".repeat(-shift - whole.length)}${whole}${fraction}`;
  return `${sign}${whole}${fraction.padEnd(shift, "0")}`;
}
