/**
 * Text as both databases can keep it: PostgreSQL has no place for NUL, and UTF-8 none for half a
 * character. Either becomes U+FFFD, so that what a program printed or somebody wrote can always be
 * stored.
 */
export function storable<T extends string | null>(text: T): T {
  if (text === null || (!text.includes("\0") && text.isWellFormed())) return text;
  return text.replaceAll("\0", "\ufffd").toWellFormed() as T;
}
