/** Waits for a lock that somebody else holds: shortly at first, up to 100 ms later on. */
export function backOff(attempt: number): Promise<void> {
  const delay = Math.min(100, 5 * 2 ** Math.min(attempt, 6));
  return new Promise((resolve) => setTimeout(resolve, delay * (0.75 + Math.random() / 2)));
}
