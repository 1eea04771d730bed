import { createHash, randomBytes } from "node:crypto";

/** A text that nobody can guess. */
export function newKey(): string {
  return randomBytes(32).toString("base64url");
}

/** What is kept of a key: 256 random bits need no slow hash, there is nothing to guess. */
export function hashOfKey(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}

export const KEY_FORM = /^[A-Za-z0-9_-]{43}$/;
