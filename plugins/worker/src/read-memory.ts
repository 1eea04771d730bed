/** As much as a pipe holds. */
export const LARGE_BYTES = 64 * 1024;
/** Most outputs are short, and many commands are silent. */
export const SMALL_BYTES = 2 * 1024;
const KEPT = 16;

const free: Buffer[] = [];

/** Room for a large read. Whoever does not need it any more gives it back by `giveLarge`, once. */
export function takeLarge(): Buffer {
  return free.pop() ?? Buffer.allocUnsafeSlow(LARGE_BYTES);
}

export function giveLarge(memory: Buffer): void {
  if (free.length < KEPT) free.push(memory);
}
