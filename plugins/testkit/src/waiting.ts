import { AssertionError } from "node:assert/strict";

/** Waits for a promise, and rejects when it has not settled after `limit` milliseconds of real time. */
export async function within<T>(limit: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new AssertionError({ message: `${what} did not settle within ${limit} ms` })),
      limit,
    );
  });
  try {
    return await Promise.race([promise, tooLong]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until `ready` is true; rejects after `limit` milliseconds of real time. */
export async function until(ready: () => boolean | Promise<boolean>, what: string, limit = 20_000): Promise<void> {
  const end = performance.now() + limit;
  while (!(await ready())) {
    if (performance.now() > end) throw new AssertionError({ message: `${what} did not happen within ${limit} ms` });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** What a promise was rejected with. Rejects itself when the promise is fulfilled. */
export async function rejects(promise: Promise<unknown>, what = "the promise"): Promise<unknown> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new AssertionError({ message: `${what} was fulfilled, but should have been rejected`, actual: value });
}
