import { createHash, randomBytes, scrypt, timingSafeEqual } from "node:crypto";

/** As OWASP has it for 32 MiB: this many times, this wide, this often. */
const COST = { log2: 15, r: 8, p: 3 };
const SALT = 16;
const LENGTH = 32;
const MOST_MEMORY = 268_435_456;
export const LONGEST_PASSWORD = 1_000;

/** `scrypt$LOG2N$R$P$SALT$HASH`, the last two in base64url. */
const FORM = /^scrypt\$(\d{1,2})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9_-]{11,86})\$([A-Za-z0-9_-]{22,86})$/;

interface Cost {
  log2: number;
  r: number;
  p: number;
}

/** Whether a text is a hash that {@link verifyPassword} can use. */
export function isPasswordHash(text: string): boolean {
  const cost = FORM.exec(text)?.slice(1, 4).map(Number);
  const [log2 = 0, r = 0, p = 0] = cost ?? [];
  return log2 >= 1 && log2 <= 20 && r >= 1 && p >= 1 && p <= 16 && 128 * r * 2 ** log2 <= MOST_MEMORY / 2;
}

/** A hash of a password, for the configuration. */
export async function hashPassword(password: string, cost: Cost = COST): Promise<string> {
  const salt = randomBytes(SALT);
  const hash = await derive(password, salt, cost, LENGTH);
  return ["scrypt", cost.log2, cost.r, cost.p, salt.toString("base64url"), hash.toString("base64url")].join("$");
}

/** Tells whether a hash in the configuration is still the same. It helps nobody to guess: the hash's salt is not in it. */
export function markOf(hash: string): string {
  return createHash("sha256").update(hash).digest("base64url").slice(0, 22);
}

/** Takes as long for a wrong password as for the right one. */
export async function verifyPassword(password: string, hash: string): Promise<boolean> {
  const [, log2, r, p, salt = "", wanted = ""] = FORM.exec(hash) ?? [];
  const expected = Buffer.from(wanted, "base64url");
  const cost = { log2: Number(log2), r: Number(r), p: Number(p) };
  const found = await derive(password, Buffer.from(salt, "base64url"), cost, expected.length);
  return timingSafeEqual(found, expected);
}

/** A hash that no password fits and that costs what this one costs: so that a user who is not there takes as long. */
export function hashOfNobody(like: string | undefined): string {
  const [, log2 = COST.log2, r = COST.r, p = COST.p] = FORM.exec(like ?? "") ?? [];
  const random = (length: number) => randomBytes(length).toString("base64url");
  return ["scrypt", log2, r, p, random(SALT), random(LENGTH)].join("$");
}

function derive(password: string, salt: Buffer, { log2, r, p }: Cost, length: number): Promise<Buffer> {
  // Keyboards differ in how they write an accent; the password is the same.
  const text = password.normalize("NFC");
  return new Promise((resolve, reject) =>
    scrypt(text, salt, length, { N: 2 ** log2, r, p, maxmem: MOST_MEMORY }, (error, key) =>
      error ? reject(error) : resolve(key),
    ),
  );
}
